//! Who waits for whom while a stray context is released: nobody who wants another device, or only reads;
//! who wants that very device waits until it is done, and then has a living context.
//!
//! The release stands still in the middle until the test has seen what it wants to see, so that nothing
//! here depends on times, but for the last test.

use std::thread;

use crate::support::stopped::while_device_0_is_swept;
use crate::support::watchdog::{before_the_watchdog_bites, until};
use crate::support::{
    GET_STATE, RELEASE, load, machine_with, outcomes, outcomes_of, releases_up_to,
};
use cuda_primary_context::{
    Outcome, Planned, PrimaryContext, PrimaryContextGuard, StrayRelease, fork, sys,
};

#[test]
fn other_devices_and_questions_do_not_wait() {
    let machine = machine_with(&[1, 0, 0, 0]);
    let held = machine.retain(2);
    let outcome = while_device_0_is_swept(&machine, &StrayRelease::new(), || {
        let driver = machine.driver;
        // Retains, releases and scopes on another device.
        let other = machine.device(3);
        machine.retain(3).release().unwrap();
        drop(machine.retain(3));
        assert!(PrimaryContext::retain_if_active(other).unwrap().is_none());
        drop(PrimaryContext::retain_if_active(machine.device(2)).unwrap().unwrap());
        held.make_current().unwrap().leave().unwrap();
        drop(held.make_current().unwrap());
        // Giving away, and taking over again.
        let given_away = machine.retain(3).into_raw();
        // SAFETY: the reference was given away just now, and nobody else releases it.
        drop(unsafe { PrimaryContext::from_raw(other, given_away) }.unwrap());
        // Questions, about the device itself, too.
        for (device, handles) in driver.devices().zip([0, 0, 1, 0]) {
            assert_eq!(device.handles(), Ok(handles), "device {}", device.ordinal());
            let is_active = [0, 2].contains(&device.ordinal());
            assert_eq!(device.primary_context_state().unwrap().active, is_active);
            device.uuid().unwrap();
            device.set_primary_context_flags(sys::CUctx_flags(0)).unwrap();
        }
        assert_eq!(driver.primary_contexts().filter(|(_, state)| state.is_ok()).count(), 4);
        assert_eq!((driver.unreleased(), fork::forked_after_init()), (0, false));
        assert_eq!(load(machine.simulator.path()), Ok(driver));
        driver.function(sys::functions::cuInit_v2000).unwrap();
        // Plans, with that device in them.
        let policy = StrayRelease::new();
        for plan in [policy.plan_retain_only(other), policy.plan_run(driver)] {
            let plan = plan.unwrap();
            let planned = plan.devices().next().unwrap().1;
            assert_eq!(planned, &Planned::Release { at_most: 1 });
        }
        // Sweeps that leave it alone.
        let keeping = StrayRelease::new().keep([machine.device(0)]);
        let guard = PrimaryContextGuard::retain_only_with(other, &keeping).unwrap();
        assert_eq!(outcomes(&guard)[0], Outcome::LeftAlone);
        guard.release().unwrap();
        assert_eq!(outcomes_of(&keeping.run(driver).unwrap())[0], Outcome::LeftAlone);
        let report = releases_up_to(0).run(driver).unwrap();
        assert_eq!(outcomes_of(&report)[0], Outcome::StillActive { releases: 0 });
    });
    assert_eq!(outcome, Outcome::Released { releases: 1 });
    drop(held);
    assert_eq!(machine.references(), [0; 4]);
}

/// Somebody who waits to retain holds the device from the end of the release at hand.
#[test]
fn a_waiting_retain_ends_a_sweep_of_several_releases() {
    // Four of the strays are left, and the reference that waited and was given away.
    for (waits, expected, left) in [
        (false, Outcome::Released { releases: 5 }, 0),
        (true, Outcome::StillActive { releases: 1 }, 5),
    ] {
        let machine = machine_with(&[5, 0]);
        before_the_watchdog_bites("the retain waits for a sweep that has ended", || {
            thread::scope(|scope| {
                let outcome = while_device_0_is_swept(&machine, &releases_up_to(9), || {
                    if waits {
                        scope.spawn(|| machine.retain(0).into_raw().addr());
                        until("the retain is counted", || machine.device(0).handles() == Ok(1));
                    }
                });
                assert_eq!(outcome, expected);
            });
        });
        assert_eq!(machine.references(), [left, 0]);
    }
}

#[test]
fn a_run_that_waited_for_another_reads_the_state_again() {
    let released = Outcome::Released { releases: 1 };
    for (strays, first_outcome, second_outcome) in [
        (1, released.clone(), Outcome::AlreadyInactive),
        (2, Outcome::StillActive { releases: 1 }, released),
    ] {
        let machine = machine_with(&[strays, 0]);
        let run = || StrayRelease::new().run(machine.driver).unwrap();
        before_the_watchdog_bites("a run waits for one that has ended", || {
            thread::scope(|scope| {
                let mut second = None;
                let first = while_device_0_is_swept(&machine, &StrayRelease::new(), || {
                    second = Some(scope.spawn(run));
                    until("the second run has found the context active", || {
                        machine.simulator.count(GET_STATE) == 2
                    });
                    thread::sleep(std::time::Duration::from_millis(20));
                    assert_eq!(machine.simulator.count(RELEASE), 1, "the first run's");
                });
                assert_eq!(first, first_outcome);
                let second = second.expect("it was started").join().unwrap();
                assert_eq!(outcomes_of(&second)[0], second_outcome);
            });
        });
        assert_eq!(machine.simulator.underflows(), 0, "no release without a reference");
    }
}
