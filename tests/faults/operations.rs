//! The public operations, but for loading and `retain_only` under its many conditions. Each is a few
//! steps, and each ends with every handle given back.

use cuda_primary_context::sys::{CUctx_flags, CUdevice_attribute};
use cuda_primary_context::{
    Error, Outcome, Planned, PrimaryContext, PrimaryContextGuard, StaleRelease,
};

use super::recorder::Recorder;
use super::stage::Stage;
use crate::support::Machine;

/// An operation on the device of this ordinal.
pub type Operation = fn(&mut Recorder<'_>, ordinal: u32);

pub const OPERATIONS: [(&str, Operation); 18] = [
    ("retain, drop", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        if let Some(context) = recorder.retain(|| PrimaryContext::retain(device)) {
            recorder.truth(context.device() == device, "the handle is of the device");
            recorder.drop(context);
        }
    }),
    ("retain, release", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        if let Some(context) = recorder.retain(|| PrimaryContext::retain(device)) {
            recorder.release(context);
        }
    }),
    ("retain_if_active", |recorder, ordinal| {
        let Machine { simulator, .. } = machine(recorder);
        let (device, active) = (machine(recorder).device(ordinal), simulator.is_active(ordinal));
        if let Some(found) = recorder.retain_if(|| PrimaryContext::retain_if_active(device)) {
            recorder.truth(found.is_some() == active, "there is a handle if it was active");
            if let Some(context) = found {
                recorder.drop(context);
            }
        }
    }),
    ("retain, leak, adopt, drop", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        if let Some(context) = recorder.retain(|| PrimaryContext::retain(device)) {
            let raw = context.leak();
            recorder.alive(-1);
            // SAFETY: the reference was just given away, and nobody else has it.
            let adopted = recorder.retain(|| unsafe { PrimaryContext::adopt(device, raw) });
            recorder.drop(adopted.expect("adopting calls nothing"));
        }
    }),
    ("make_current, leave", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        if let Some(context) = recorder.retain(|| PrimaryContext::retain(device)) {
            if let Some(scope) = recorder.ask(|| context.make_current()) {
                let top = machine(recorder).simulator.stack().pop();
                let current = top.is_some_and(|top| top.device == ordinal && top.alive);
                recorder.truth(current, "the context is current");
                recorder.ask(|| scope.leave());
            }
            recorder.drop(context);
        }
    }),
    ("make_current, drop", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        if let Some(context) = recorder.retain(|| PrimaryContext::retain(device)) {
            if let Some(scope) = recorder.ask(|| context.make_current()) {
                recorder.drop_scope(scope);
            }
            recorder.release(context);
        }
    }),
    ("retain_only, release", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        // What it does to other devices has trials of its own.
        let policy = StaleRelease::new().releases_up_to(0);
        let answer = PrimaryContextGuard::retain_only_with(device, &policy);
        recorder.alive(i32::from(answer.is_ok()));
        recorder.ask_each(|| match &answer {
            Ok(guard) => {
                guard.report().devices().filter_map(|line| failed(line.outcome())).collect()
            }
            Err(error) => vec![error.clone()],
        });
        if let Ok(guard) = answer {
            recorder.release(guard.into_context());
        }
    }),
    ("state", |recorder, ordinal| {
        let Machine { simulator, .. } = machine(recorder);
        let device = machine(recorder).device(ordinal);
        let truth = (simulator.is_active(ordinal), simulator.flags(ordinal));
        if let Some(state) = recorder.ask(|| device.primary_context_state()) {
            recorder.truth((state.active, state.flags.0) == truth, "the state is the state");
        }
    }),
    ("audit", |recorder, _| {
        let Machine { simulator, driver } = machine(recorder);
        let mut contexts = driver.primary_contexts();
        for ordinal in 0..driver.device_count() {
            let Some((device, state)) = contexts.next() else { panic!("a device is missing") };
            recorder.truth(device.ordinal() == ordinal, "devices come in their order");
            if let Some(state) = recorder.ask(|| state) {
                recorder.truth(state.active == simulator.is_active(ordinal), "the state is so");
            }
        }
        recorder.truth(contexts.next().is_none(), "there are as many as devices");
    }),
    ("plan", |recorder, ordinal| {
        let Machine { simulator, .. } = machine(recorder);
        let device = machine(recorder).device(ordinal);
        let mut planned = Vec::new();
        recorder.ask_each(|| match StaleRelease::new().plan(device) {
            Ok(plan) => {
                planned.extend(plan.devices());
                planned.iter().filter_map(|(_, planned)| failure(planned)).collect()
            }
            Err(error) => vec![error],
        });
        for (other, planned) in planned {
            let active = simulator.is_active(other.ordinal());
            let truth = match planned {
                Planned::Keep => other == device,
                Planned::AlreadyInactive => !active && other != device,
                Planned::Release { at_most: 1 } => active && other.handles() == Ok(0),
                Planned::HeldHere { handles } => active && other.handles() == Ok(handles),
                Planned::Failed(_) => other != device,
                _ => false,
            };
            recorder.truth(truth, "the plan is what would be done");
        }
    }),
    ("set_primary_context_flags", |recorder, ordinal| {
        let Machine { simulator, .. } = machine(recorder);
        let device = machine(recorder).device(ordinal);
        for flags in [CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC, CUctx_flags(0)] {
            if recorder.ask(|| device.set_primary_context_flags(flags)).is_some() {
                recorder.truth(simulator.flags(ordinal) == flags.0, "the flags are set");
            }
        }
    }),
    ("reset_primary_context", |recorder, ordinal| {
        let Machine { simulator, .. } = machine(recorder);
        let device = machine(recorder).device(ordinal);
        // SAFETY: nothing uses the simulated context.
        if recorder.ask(|| unsafe { device.reset_primary_context() }).is_some() {
            recorder.truth(!simulator.is_active(ordinal), "the context is gone");
        }
        // The count stays, and the next reference makes the context anew.
        simulator.foreign_retain(ordinal, 1);
        simulator.foreign_release(ordinal);
    }),
    ("name", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        if let Some(name) = recorder.ask(|| device.name()) {
            recorder.truth(name.contains("Simulated"), "the name is the device's");
        }
    }),
    ("pci_bus_id", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        if let Some(id) = recorder.ask(|| device.pci_bus_id()) {
            recorder.truth(id.ends_with(":00.0") && id.len() == 12, "it is an address");
        }
    }),
    ("attribute", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        let warp_size = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_WARP_SIZE;
        if let Some(value) = recorder.ask(|| device.attribute(warp_size)) {
            recorder.truth(value == 32, "it is the attribute");
        }
    }),
    ("two handles", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        let next = (ordinal + 1) % machine(recorder).driver.device_count();
        let other = machine(recorder).device(next);
        let first = recorder.retain(|| PrimaryContext::retain(device));
        let second = recorder.retain(|| PrimaryContext::retain(other));
        for context in [first, second].into_iter().flatten() {
            recorder.release(context);
        }
    }),
    ("retain, scope in a scope", |recorder, ordinal| {
        let device = machine(recorder).device(ordinal);
        if let Some(context) = recorder.retain(|| PrimaryContext::retain(device)) {
            if let Some(outer) = recorder.ask(|| context.make_current()) {
                if let Some(inner) = recorder.ask(|| context.make_current()) {
                    recorder.ask(|| inner.leave());
                }
                recorder.ask(|| outer.leave());
            }
            recorder.drop(context);
        }
    }),
    ("state of every device", |recorder, _| {
        for device in machine(recorder).driver.devices() {
            recorder.ask(|| device.primary_context_state());
        }
    }),
];

/// Asks the driver once for each device and keeps the answer, but not a failure.
pub fn uuid(recorder: &mut Recorder<'_>, ordinal: u32) {
    let device = machine(recorder).device(ordinal);
    if let Some(uuid) = recorder.ask(|| device.uuid()) {
        recorder.truth(device.uuid() == Ok(uuid), "it is the same the second time");
        recorder.truth(*uuid.as_bytes() != [0; 16], "it is not nothing");
    }
}

/// Something that is asked of a stage of three devices.
pub type Look = fn(&Stage);

/// What calls nothing, so that nothing in it can fail.
pub const CALL_NOTHING: [(&str, Look); 10] = [
    ("device", |stage| assert!(stage.machine.driver.device(0).is_ok())),
    ("devices", |stage| assert_eq!(stage.machine.driver.devices().count(), 3)),
    ("version", |stage| assert_eq!(stage.machine.driver.version(), 13000)),
    ("path", |stage| assert!(stage.machine.driver.path().is_absolute())),
    ("is_simulated", |stage| assert!(stage.machine.driver.is_simulated())),
    ("forked_after_init", |_| assert!(!cuda_primary_context::fork::forked_after_init())),
    ("handles", |stage| assert_eq!(stage.machine.device(0).handles(), Ok(0))),
    ("unreleased", |stage| assert_eq!(stage.machine.driver.unreleased(), 0)),
    ("audit begun", |stage| assert_eq!(stage.machine.driver.primary_contexts().len(), 3)),
    ("no such device", |stage| {
        let error = stage.machine.driver.device(3).unwrap_err();
        assert_eq!(error, Error::NoSuchDevice { ordinal: 3, count: 3 });
    }),
];

fn machine<'a>(recorder: &Recorder<'a>) -> &'a Machine {
    &recorder.stage.machine
}

fn failure(planned: &Planned) -> Option<Error> {
    match planned {
        Planned::Failed(error) => Some(error.clone()),
        _ => None,
    }
}

fn failed(outcome: Outcome) -> Option<Error> {
    match outcome {
        Outcome::Failed(error) => Some(error),
        _ => None,
    }
}
