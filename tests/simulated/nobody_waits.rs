//! Who waits for whom while a stray context is released: nobody who wants another device, or only reads;
//! who wants that very device waits until it is done, and then has a living context.
//!
//! The release stands still in the middle until the test has seen what it wants to see, so that nothing
//! here depends on times, but for the last test.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::stopped::Stopped;
use crate::support::watchdog::{before_the_watchdog_bites, until};
use crate::support::{Machine, load, machine, outcomes, releases_up_to};
use cuda_primary_context::{
    Outcome, Planned, PrimaryContext, PrimaryContextGuard, Report, StrayRelease, fork, sys,
};

const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";

/// The outcome of device 0.
fn of_device_0(report: &Report) -> Outcome {
    report.devices().next().unwrap().outcome().clone()
}

/// Runs `meanwhile` while a sweep of another thread is in the release of device 0, which keeps device 1.
/// The guard holds device 1: a test in which others walk over the devices keeps it until they are done.
fn while_device_0_is_swept(
    machine: &Machine,
    policy: &StrayRelease,
    meanwhile: impl FnOnce(&AtomicBool) + Send,
) -> PrimaryContextGuard {
    let teardown = Stopped::before(&machine.simulator, RELEASE, 1);
    before_the_watchdog_bites("something waits for the release of device 0", || {
        let has_ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let sweep = scope.spawn(|| {
                let guard = PrimaryContextGuard::retain_only_with(machine.device(1), policy);
                has_ended.store(true, Ordering::SeqCst);
                guard.unwrap()
            });
            teardown.has_begun();
            meanwhile(&has_ended);
            assert!(!has_ended.load(Ordering::SeqCst), "the release stood still meanwhile");
            teardown.go_on();
            sweep.join().unwrap()
        })
    })
}

#[test]
fn other_devices_and_questions_do_not_wait() {
    let machine = machine(4);
    machine.stray(&[1, 0, 0, 0]);
    let held = PrimaryContext::retain(machine.device(2)).unwrap();
    let guard = while_device_0_is_swept(&machine, &StrayRelease::new(), |_| {
        let driver = machine.driver;
        // Retains, releases and scopes on another device.
        let other = machine.device(3);
        PrimaryContext::retain(other).unwrap().release().unwrap();
        drop(PrimaryContext::retain(other).unwrap());
        assert!(PrimaryContext::retain_if_active(other).unwrap().is_none());
        drop(PrimaryContext::retain_if_active(machine.device(2)).unwrap().unwrap());
        held.make_current().unwrap().leave().unwrap();
        drop(held.make_current().unwrap());
        // Giving away, and taking over again.
        let given_away = PrimaryContext::retain(other).unwrap().into_raw();
        // SAFETY: the reference was given away just now, and nobody else releases it.
        drop(unsafe { PrimaryContext::from_raw(other, given_away) }.unwrap());
        // Questions, about the device itself, too.
        for (device, handles) in driver.devices().zip([0, 1, 1, 0]) {
            assert_eq!(device.handles(), Ok(handles), "device {}", device.ordinal());
            let is_active = device.ordinal() != 3;
            assert_eq!(device.primary_context_state().unwrap().active, is_active);
            device.uuid().unwrap();
            device.set_primary_context_flags(sys::CUctx_flags(0)).unwrap();
        }
        assert_eq!(driver.primary_contexts().filter(|(_, state)| state.is_ok()).count(), 4);
        assert_eq!((driver.unreleased(), fork::forked_after_init()), (0, false));
        assert_eq!(load(machine.simulator.path()), Ok(driver));
        driver.function(sys::functions::cuInit_v2000).unwrap();
        // Plans, with that device in them.
        for plan in [StrayRelease::new().plan(other), StrayRelease::new().plan_run(driver)] {
            let plan = plan.unwrap();
            let planned = plan.devices().next().unwrap().1;
            assert_eq!(planned, &Planned::Release { at_most: 1 });
        }
        // Sweeps that leave it alone.
        let keeping = StrayRelease::new().keep([machine.device(0)]);
        let guard = PrimaryContextGuard::retain_only_with(other, &keeping).unwrap();
        assert_eq!(outcomes(&guard)[0], Outcome::LeftAlone);
        guard.release().unwrap();
        let report = keeping.run(driver).unwrap();
        assert_eq!(of_device_0(&report), Outcome::LeftAlone);
        let report = releases_up_to(0).run(driver).unwrap();
        assert_eq!(of_device_0(&report), Outcome::StillActive { releases: 0 });
    });
    assert_eq!(of_device_0(guard.report()), Outcome::Released { releases: 1 });
    drop((guard, held));
    assert_eq!(machine.references(), [0; 4]);
}

/// Somebody who waits to retain holds the device from the end of the release at hand.
#[test]
fn a_waiting_retain_ends_a_sweep_of_several_releases() {
    for waits in [false, true] {
        let machine = machine(2);
        machine.stray(&[5, 0]);
        before_the_watchdog_bites("the retain waits for a sweep that has ended", || {
            thread::scope(|scope| {
                let guard = while_device_0_is_swept(&machine, &releases_up_to(9), |_| {
                    if waits {
                        let device = machine.device(0);
                        scope.spawn(move || {
                            PrimaryContext::retain(device).unwrap().into_raw().addr()
                        });
                        until("the retain is counted", || device.handles() == Ok(1));
                    }
                });
                let expected = match waits {
                    true => Outcome::StillActive { releases: 1 },
                    false => Outcome::Released { releases: 5 },
                };
                assert_eq!(of_device_0(guard.report()), expected);
            });
        });
        // Four of the strays, and the one that waited and was given away.
        assert_eq!(machine.references(), [if waits { 5 } else { 0 }, 0]);
    }
}

#[test]
fn a_run_that_waited_for_another_reads_the_state_again() {
    let machine = machine(3);
    machine.stray(&[1, 0, 0]);
    before_the_watchdog_bites("a run waits for one that has ended", || {
        thread::scope(|scope| {
            let waiting = std::sync::Mutex::new(None);
            let first = while_device_0_is_swept(&machine, &StrayRelease::new(), |_| {
                *waiting.lock().unwrap() = Some(scope.spawn(|| {
                    let guard = PrimaryContextGuard::retain_only(machine.device(2)).unwrap();
                    of_device_0(guard.report())
                }));
                let states = || machine.simulator.count("cuDevicePrimaryCtxGetState");
                until("the second run has found the context active", || states() == 2);
                thread::sleep(std::time::Duration::from_millis(20));
                assert_eq!(machine.simulator.count(RELEASE), 1, "the first run's");
            });
            assert_eq!(of_device_0(first.report()), Outcome::Released { releases: 1 });
            let waiting = waiting.into_inner().unwrap().unwrap();
            assert_eq!(waiting.join().unwrap(), Outcome::AlreadyInactive);
        });
    });
    assert_eq!(machine.simulator.underflows(), 0, "no release without a reference");
}
