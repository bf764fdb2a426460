//! Many threads on one driver: the counts are exact at the end, nobody waits for ever, and handles of
//! different devices leave one another alone.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::support::watchdog::before_the_watchdog_bites;
use crate::support::{Machine, machine, releases_up_to};
use cuda_primary_context::{
    CurrentContextChange, Outcome, Planned, PrimaryContext, PrimaryContextGuard,
};
use simulated_libcuda::Knob;

const THREADS: u32 = 16;
const ROUNDS: u32 = 200;
const DEVICES: u32 = 8;

/// Runs `work` on sixteen threads that begin together, with each thread's number.
fn on_every_thread(work: impl Fn(u32) + Sync) {
    before_the_watchdog_bites("sixteen threads", || {
        let together = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (together, work) = (&together, &work);
                scope.spawn(move || {
                    together.wait();
                    work(number);
                });
            }
        });
    });
}

/// One of the crate's operations, with its checks. The handles it makes are gone afterwards.
fn operate(machine: &Machine, number: u32, round: u32) {
    let device = machine.device((number + round) % DEVICES);
    match (number + 3 * round) % 6 {
        0 => {
            let context = PrimaryContext::retain(device).unwrap();
            assert!(device.primary_context_state().unwrap().active);
            assert!(device.handles().unwrap() > 0);
            context.release().unwrap();
        }
        1 => drop(PrimaryContext::retain(device).unwrap()),
        2 => {
            let guard = PrimaryContextGuard::retain_only(device).unwrap();
            for line in guard.report().devices() {
                match line.outcome() {
                    Outcome::Kept => assert_eq!(line.device(), device),
                    // Nothing is stray here: what is active, a handle holds.
                    outcome => assert!(
                        matches!(outcome, Outcome::AlreadyInactive | Outcome::HeldHere { .. }),
                        "{line}"
                    ),
                }
            }
            assert_eq!(guard.report().current_context(), &CurrentContextChange::Unchanged);
            assert!(device.primary_context_state().unwrap().active);
        }
        3 => {
            for (_, state) in machine.driver.primary_contexts() {
                state.unwrap();
            }
        }
        4 => {
            let plan = releases_up_to(3).plan(device).unwrap();
            assert!(!plan.devices().any(|(_, planned)| matches!(planned, Planned::Failed(_))));
        }
        _ => {
            if let Some(context) = PrimaryContext::retain_if_active(device).unwrap() {
                assert!(device.primary_context_state().unwrap().active);
                let current = context.make_current().unwrap();
                assert_eq!(machine.simulator.stack().len(), 1);
                current.leave().unwrap();
            }
        }
    }
}

#[test]
fn counts_are_exact_after_sixteen_threads() {
    let machine = machine(DEVICES);
    let handles: Vec<PrimaryContext> =
        (0..2).map(|ordinal| PrimaryContext::retain(machine.device(ordinal)).unwrap()).collect();
    on_every_thread(|number| {
        for round in 0..ROUNDS {
            operate(&machine, number, round);
        }
    });
    assert_eq!(machine.references(), [1, 1, 0, 0, 0, 0, 0, 0]);
    let counted: Vec<u32> =
        machine.driver.devices().map(|device| device.handles().unwrap()).collect();
    assert_eq!(counted, machine.references(), "the ledger says what the driver says");
    drop(handles);
    assert_eq!(machine.references(), [0; DEVICES as usize]);
    assert_eq!(machine.driver.unreleased(), 0);
}

#[test]
fn guards_for_different_devices_never_release_each_other() {
    let machine = machine(THREADS);
    // Teardown and creation take long enough to be met by others.
    machine.simulator.set_knob(Knob::RetainMicroseconds, 20);
    machine.simulator.set_knob(Knob::ReleaseMicroseconds, 20);
    on_every_thread(|number| {
        let device = machine.device(number);
        for _ in 0..50 {
            let guard = PrimaryContextGuard::retain_only_with(device, &releases_up_to(4)).unwrap();
            for line in guard.report().devices() {
                let outcome = line.outcome();
                let expected = match outcome {
                    Outcome::Kept => line.device() == device,
                    Outcome::AlreadyInactive | Outcome::HeldHere { handles: 1 } => true,
                    _ => false,
                };
                assert!(expected, "device {}: {outcome:?}", line.ordinal());
            }
            assert!(device.primary_context_state().unwrap().active, "kept until dropped");
            assert_eq!(device.handles(), Ok(1));
            guard.release().unwrap();
        }
    });
    assert_eq!(machine.references(), [0; THREADS as usize]);
    assert_eq!(machine.driver.unreleased(), 0);
}

/// Holders, sweepers and somebody who leaves strays, all on one device. The simulated driver knows whose
/// each reference is: no sweep ever takes a holder's.
#[test]
fn no_sweep_takes_the_reference_of_a_live_handle() {
    const STRAYS: u32 = 100;
    let machine = machine(2);
    machine.simulator.set_knob(Knob::ReleaseMicroseconds, 50);
    let told = AtomicU64::new(0);
    on_every_thread(|number| match number % 4 {
        0 => (0..STRAYS).for_each(|_| {
            machine.simulator.retain_by("stray", 0, 1);
            thread::yield_now();
        }),
        1 => machine.simulator.acting_as("sweeper", || {
            for _ in 0..ROUNDS {
                let guard = PrimaryContextGuard::retain_only_with(
                    machine.device(1),
                    &releases_up_to(1 + number / 4),
                );
                let guard = guard.unwrap();
                guard.report().check().unwrap();
                let outcome = guard.report().devices().next().unwrap().outcome();
                told.fetch_add(outcome.releases().into(), Ordering::Relaxed);
            }
        }),
        _ => machine.simulator.acting_as("holder", || {
            for _ in 0..ROUNDS {
                let context = PrimaryContext::retain(machine.device(0)).unwrap();
                let generation = machine.simulator.generation(0);
                thread::yield_now();
                assert!(context.device().primary_context_state().unwrap().active);
                assert_eq!(machine.simulator.generation(0), generation, "the same context");
                context.release().unwrap();
            }
        }),
    });
    let strays = u64::from(STRAYS * THREADS / 4);
    // What is left, now that nobody holds the device.
    let told = told.into_inner();
    let rest = machine.simulator.acting_as("sweeper", || {
        let report = releases_up_to(u32::MAX).run(machine.driver).unwrap();
        u64::from(report.devices().next().unwrap().outcome().releases())
    });
    assert_eq!((machine.references(), told + rest), (vec![0, 0], strays));
    let taken = machine.simulator.taken();
    for taken in &taken {
        assert_eq!((&*taken.by, &*taken.from), ("sweeper", "stray"));
    }
    assert_eq!(taken.len() as u64, strays, "the reports tell of every one");
    assert_eq!((machine.device(0).handles(), machine.driver.unreleased()), (Ok(0), 0));
}
