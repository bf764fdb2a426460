//! The operations that make handles and scopes and ask questions, on one device of each kind.

use cuda_primary_context::sys::{CUctx_flags, CUdevice_attribute, CUresult, functions};
use cuda_primary_context::{Error, Planned, PrimaryContext, StrayRelease};
use simulated_libcuda::{Builder, Knob, Simulator};

use super::scene::{Current, KINDS, Scene, Stage};
use super::trial::{Reported, run};
use super::{CODES, Kind, at_every_call};
use crate::support::{load, machine_from};

/// An operation on the device of this ordinal, with its checks of what it gets.
type Operation = (&'static str, fn(&Stage, u32) -> Reported);

/// Retains and uses the handle, which is dropped at the end.
fn with_retained(
    stage: &Stage,
    device: u32,
    act: impl FnOnce(PrimaryContext, &mut Reported),
) -> Reported {
    let mut reported = Reported { dropped: true, ..Reported::default() };
    if let Some(context) = reported.value(PrimaryContext::retain(stage.machine.device(device))) {
        act(context, &mut reported);
    }
    reported
}

/// Releases until the driver takes the reference or it is known to be gone.
fn release_for_good(stage: &Stage, context: PrimaryContext, reported: &mut Reported) {
    let mut context = Some(context);
    while let Some(owned) = context.take() {
        let Err(failed) = owned.release() else { return };
        let (error, again) = failed.into_parts();
        reported.errors.push(error);
        // From now on, so that a fault that never ends does.
        stage.machine.simulator.clear_faults();
        context = again;
    }
}

fn ask<T>(result: Result<T, Error>, check: impl FnOnce(T)) -> Reported {
    let mut reported = Reported::default();
    if let Some(value) = reported.value(result) {
        check(value);
    }
    reported
}

const OPERATIONS: &[Operation] = &[
    ("retain, drop", |stage, device| with_retained(stage, device, |context, _| drop(context))),
    ("retain, release", |stage, device| {
        with_retained(stage, device, |context, reported| {
            reported.dropped = false;
            assert_eq!(context.device(), stage.machine.device(device));
            release_for_good(stage, context, reported);
        })
    }),
    ("retain_if_active", |stage, device| {
        let mut reported = Reported { dropped: true, ..Reported::default() };
        let is_active = stage.machine.simulator.is_active(device);
        let context = PrimaryContext::retain_if_active(stage.machine.device(device));
        if let Some(context) = reported.value(context) {
            assert_eq!(context.is_some(), is_active);
        }
        reported
    }),
    ("retain, into_raw, from_raw, drop", |stage, device| {
        with_retained(stage, device, |context, _| {
            let raw = context.into_raw();
            // SAFETY: the reference was given away just now, and nobody else has it.
            let again = unsafe { PrimaryContext::from_raw(stage.machine.device(device), raw) };
            assert_eq!(again.expect("it calls nothing").as_raw(), raw);
        })
    }),
    ("make_current, leave", |stage, device| {
        let reported = with_retained(stage, device, |context, reported| {
            if let Some(scope) = reported.value(context.make_current()) {
                let top = stage.machine.simulator.stack().pop().expect("something is current");
                assert_eq!((top.device, top.is_primary, top.alive), (device, true, true));
                let left = scope.leave();
                reported.value(left);
            }
        });
        stage.clear_stack();
        reported
    }),
    ("bind_to_thread, drop", |stage, device| {
        with_retained(stage, device, |context, reported| {
            let depth = stage.machine.simulator.stack().len();
            if reported.value(context.bind_to_thread()).is_some() {
                let stack = stage.machine.simulator.stack();
                assert_eq!(stack.len(), depth.max(1), "it replaces another");
                let top = stack.last().expect("something is current");
                assert_eq!((top.device, top.is_primary), (device, true));
            }
        })
    }),
    ("state", |stage, device| {
        let simulator = &stage.machine.simulator;
        ask(stage.machine.device(device).primary_context_state(), |state| {
            assert_eq!(state.active, simulator.is_active(device));
            assert_eq!(state.flags.0, simulator.flags(device));
        })
    }),
    ("audit", |stage, _| {
        let mut reported = Reported::default();
        for (device, state) in stage.machine.driver.primary_contexts() {
            if let Some(state) = reported.value(state) {
                assert_eq!(state.active, stage.machine.simulator.is_active(device.ordinal()));
            }
        }
        reported
    }),
    ("plan_retain_only", |stage, device| plan(stage, Some(device))),
    ("plan_run", |stage, _| plan(stage, None)),
    ("set_primary_context_flags", |stage, device| {
        let mut reported = Reported::default();
        for flags in [CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC, CUctx_flags(0)] {
            let set = stage.machine.device(device).set_primary_context_flags(flags);
            if reported.value(set).is_some() {
                assert_eq!(stage.machine.simulator.flags(device), flags.0);
            }
        }
        reported
    }),
    ("reset_primary_context", |stage, device| {
        // SAFETY: nothing uses the simulated context.
        ask(unsafe { stage.machine.device(device).reset_primary_context() }, |()| {
            assert!(!stage.machine.simulator.is_active(device));
        })
    }),
    // The simulated machine has one device on each bus, from 1 on.
    ("device_by_pci_bus_id", |stage, device| {
        let address = format!("0000:{:02X}:00.0", device + 1);
        ask(stage.machine.driver.device_by_pci_bus_id(&address), |found| {
            assert_eq!(found.ordinal(), device);
        })
    }),
    ("name, attribute, total_memory", |stage, device| {
        let mut reported = Reported::default();
        let bus = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID;
        let found = stage.machine.device(device);
        if let Some(name) = reported.value(found.name()) {
            assert!(name.contains("Simulated"), "{name}");
        }
        if let Some(bus) = reported.value(found.attribute(bus)) {
            assert_eq!(bus, device as i32 + 1);
        }
        if let Some((major, _)) = reported.value(found.compute_capability()) {
            assert!(major > 0);
        }
        if let Some(bytes) = reported.value(found.total_memory()) {
            assert!(bytes > u64::from(u32::MAX), "of an H200: {bytes}");
        }
        reported
    }),
];

fn plan(stage: &Stage, kept: Option<u32>) -> Reported {
    let policy = StrayRelease::new();
    let plan = match kept {
        Some(device) => policy.plan_retain_only(stage.machine.device(device)),
        None => policy.plan_run(stage.machine.driver),
    };
    let mut reported = Reported::default();
    for (device, planned) in plan.expect("this process was not forked").devices() {
        let is_active = stage.machine.simulator.is_active(device.ordinal());
        let expected = match (is_active, device.handles().unwrap()) {
            _ if kept == Some(device.ordinal()) => Planned::Keep,
            (false, _) => Planned::AlreadyInactive,
            (true, 0) => Planned::Release { at_most: 1 },
            (true, handles) => Planned::HeldHere { handles },
        };
        match planned {
            Planned::Failed(error) => reported.errors.push(error.clone()),
            planned => assert_eq!(*planned, expected),
        }
    }
    reported
}

#[test]
fn every_operation_on_every_kind_of_device() {
    let stage = Stage::new(3);
    let mut trials = 0;
    for (turn, holders) in KINDS.into_iter().enumerate() {
        for stack in [vec![], vec![Current::Ordinary(2), Current::Ordinary(0)]] {
            let scene = Scene { stack, ..Scene::new(&[holders; 3]) };
            for (number, (name, operation)) in OPERATIONS.iter().enumerate() {
                let kinds = Kind::of_turn(turn + number);
                trials += at_every_call(&kinds, |faults| {
                    run(&stage, &scene, faults, number as u32 % 3, *operation)
                });
                assert!(trials > 0, "{name}");
            }
        }
    }
    println!("operations of a few steps: {trials} trials");
}

#[test]
fn functions_that_are_looked_up() {
    let older = || Simulator::builder().without(&["cuGetProcAddress_v2"]);
    for builder in [Simulator::builder as fn() -> Builder, older] {
        let machine = machine_from(builder().visible_devices(None).knob(Knob::SpoilOutputs, 1));
        let look_up = || machine.driver.function(functions::cuCtxGetId_v12000).map(drop);
        at_every_call(&Kind::of_turn(1), |faults| {
            faults.iter().for_each(|fault| machine.simulator.inject(fault.fault()));
            let result = look_up();
            let hits = machine.simulator.faults_fired() as usize;
            machine.simulator.clear_faults();
            match result.err() {
                None => assert_eq!(hits, 0, "{faults:?} is not reported"),
                Some(error) => assert_eq!(error.code(), Some(CUresult(faults[0].kind.code))),
            }
            assert_eq!(look_up(), Ok(()), "a failure is not kept");
            hits
        });
    }
}

/// A load fails with the first failure, calls nothing after it, and can be made again.
#[test]
fn loading() {
    let mut kinds = Vec::new();
    for (index, code) in CODES.into_iter().chain([34, 100]).enumerate() {
        kinds.push(Kind { done: index % 2 == 0, from_then_on: index % 3 == 0, code });
    }
    at_every_call(&kinds, |faults| {
        let builder = Simulator::builder().devices(3).visible_devices(None);
        let simulator = builder.knob(Knob::SpoilOutputs, 1).start();
        faults.iter().for_each(|fault| simulator.inject(fault.fault()));
        simulator.record_calls(true);
        let loaded = load(simulator.path());
        let hits = simulator.faults_fired() as usize;
        simulator.clear_faults();
        simulator.record_calls(false);
        let calls = simulator.calls();
        let last = calls.last().expect("it calls the driver");
        match (&loaded, faults) {
            // A failure to identify a device is kept, and is an error when somebody reads it.
            (Ok(_), []) => assert_eq!((calls.len(), hits), (3 + 3 + 3 * 3, 0)),
            (Ok(_), faults) => assert!(faults[0].call > 6, "{faults:?} is not reported"),
            (Err(error), [fault]) => {
                let kind = match (last.function, fault.kind.code) {
                    ("cuInit", 3) => "forked_after_init",
                    ("cuInit", 34) => "stub_library",
                    ("cuInit", 100) => "no_device",
                    _ => "driver",
                };
                assert_eq!((error.kind(), hits), (kind, 1), "{faults:?}");
                assert_eq!(calls.len(), fault.call, "nothing is called after a failure");
                assert_eq!(error.code(), Some(CUresult(fault.kind.code)));
                assert!(kind != "driver" || error.call() == Some(last.function));
            }
            (Err(error), _) => panic!("{error}"),
        }
        let driver = load(simulator.path()).expect("a failure is not kept");
        assert_eq!((driver.device_count(), driver.version().raw()), (3, 13_000));
        for device in driver.devices() {
            assert_eq!(device.as_raw(), simulator.device_handle(device.ordinal()));
        }
        hits
    });
}
