//! The ledger, a run and the list of drivers in every order that threads can take, by loom:
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib interleavings`.
//!
//! These are unit tests of the crate, in which `crate::sync` has loom's atomics. The driver is a simulated
//! one; loom lets threads go on at each of its calls.

mod list_of_drivers;
mod simulated;

use loom::thread;

use crate::driver::ledger::NotExclusive;
use crate::{Outcome, PrimaryContext, PrimaryContextGuard, Report, StrayRelease};

use simulated::{Machine, is_active, look, machine, simulator};

/// What a handle on this device relies on between its retain and its release.
fn is_alive_meanwhile(machine: Machine, device: u32) {
    machine.live(device, 1);
    assert!(is_active(device), "after a retain the context lives");
    look();
    assert!(is_active(device), "and as long as the handle does");
    machine.live(device, -1);
}

/// Retains, uses and drops a handle on device 0.
fn hold(machine: Machine) {
    let context = PrimaryContext::retain(machine.device(0)).unwrap();
    is_alive_meanwhile(machine, 0);
    drop(context);
}

/// A run that may release this often: its outcome on device 0, and its wrong releases.
fn run(machine: Machine, releases: u32) -> (Outcome, u32) {
    // SAFETY: nothing uses an object of a simulated context.
    let policy = unsafe { StrayRelease::new().releases_up_to(releases) };
    let (report, wrong) = machine.running(|| policy.run(machine.driver).unwrap());
    (of_device_0(&report), wrong)
}

fn of_device_0(report: &Report) -> Outcome {
    report.check().unwrap();
    report.devices().next().unwrap().outcome().clone()
}

#[test]
fn no_run_releases_under_a_live_handle() {
    for (strays, releases) in [(0, 1), (1, 1), (2, 9)] {
        loom::model(move || {
            let machine = machine(strays);
            let holder = thread::spawn(move || hold(machine));
            let (outcome, wrong) = run(machine, releases);
            holder.join().unwrap();
            assert_eq!(wrong, 0, "{outcome}");
            assert_ne!(outcome, Outcome::HeldHere { handles: 0 }, "somebody holds it");
            machine.is_at_rest(strays - outcome.releases());
        });
    }
}

/// A reference that was given away before the model begins, beside one stray and two more, so that there is
/// one for everybody in every order.
fn given_away_among_four(machine: Machine) -> usize {
    let raw = PrimaryContext::retain(machine.device(0)).unwrap().into_raw();
    simulator(|simulator| simulator.retain_by_others(0, 2));
    raw.expose_provenance()
}

/// Takes the reference over, uses it, and drops it or gives it away again.
fn take_over(machine: Machine, raw: usize, gives_away: bool) {
    let raw = std::ptr::with_exposed_provenance_mut(raw);
    // SAFETY: what is taken over was given away before, and there are more references than releases.
    let context = unsafe { PrimaryContext::from_raw(machine.device(0), raw) }.unwrap();
    // From the next call on, others can know of it.
    look();
    is_alive_meanwhile(machine, 0);
    match gives_away {
        true => assert!(!context.into_raw().is_null()),
        false => drop(context),
    }
}

/// A handle that takes over a reference does not wait, so that the release at hand may take that very
/// reference; there is no further one.
#[test]
fn a_run_ends_at_a_handle_that_takes_over() {
    for gives_away in [false, true] {
        loom::model(move || {
            let machine = machine(1);
            let raw = given_away_among_four(machine);
            let holder = thread::spawn(move || take_over(machine, raw, gives_away));
            let (outcome, wrong) = run(machine, 2);
            holder.join().unwrap();
            assert!(wrong <= 1, "only the release at hand: {outcome}");
            machine.is_at_rest(4 - outcome.releases() - u32::from(!gives_away));
        });
    }
}

#[test]
fn two_runs_on_one_device_are_one_after_the_other() {
    for (strays, releases) in [(1, 1), (2, 1), (3, 2)] {
        loom::model(move || {
            let machine = machine(strays);
            let other = thread::spawn(move || run(machine, releases));
            let runs = [run(machine, releases), other.join().unwrap()];
            let released: u32 = runs.iter().map(|(outcome, _)| outcome.releases()).sum();
            assert_eq!(released, strays.min(2 * releases), "{runs:?}");
            assert!(runs.iter().all(|(_, wrong)| *wrong == 0), "{runs:?}");
            machine.is_at_rest(strays - released);
        });
    }
}

/// Each retains its own device and may release the other's stray; neither waits for ever.
#[test]
fn guards_of_two_devices_leave_each_other_alone() {
    for strays in [0, 1] {
        loom::model(move || {
            let machine = machine(strays);
            let keep = move |device: u32| {
                let retain_only =
                    || PrimaryContextGuard::retain_only(machine.device(device)).unwrap();
                let (guard, wrong) = machine.running(retain_only);
                assert_eq!(wrong, 0, "{guard:?}");
                is_alive_meanwhile(machine, device);
                let releases =
                    guard.report().devices().map(|line| line.outcome().releases()).sum::<u32>();
                guard.report().check().unwrap();
                drop(guard);
                releases
            };
            let other = thread::spawn(move || keep(0));
            let released = keep(1);
            assert_eq!(other.join().unwrap(), 0, "nobody left anything on device 1");
            machine.is_at_rest(strays - released);
        });
    }
}

/// As in a forked child, which finds the device as a run of its parent left it, and whose parent's thread
/// does not exist.
#[test]
fn a_caller_that_may_not_wait_is_refused_and_not_counted() {
    loom::model(|| {
        let machine = machine(1);
        let ledger = machine.device(0).ledger();
        let other = thread::spawn(move || run(machine, 1).0);
        if ledger.add_handle(|| Err("forked")).is_ok() {
            look();
            ledger.remove_handle();
        }
        match ledger.begin_exclusive(|| Err("forked")) {
            Ok(exclusive) => drop(exclusive),
            Err(NotExclusive::MayNotWait(reason)) => assert_eq!(reason, "forked"),
            Err(NotExclusive::Held(number)) => {
                panic!("{number} handles are counted, none is alive")
            }
        }
        let outcome = other.join().unwrap();
        machine.is_at_rest(1 - outcome.releases());
    });
}
