//! Whose references are released: the crate's own by its handles, one of others on each stray device, and
//! never one of a live handle.

use crate::support::{machine, outcomes, releases_up_to};
use cuda_primary_context::{Driver, Outcome, PrimaryContext, PrimaryContextGuard};

/// Somebody takes a reference over in the middle of a release of several: it is left to him.
#[test]
fn reference_taken_over_ends_the_releases() {
    let machine = machine(2);
    machine.stray(&[3, 0]);
    let (driver, device): (Driver, _) = (machine.driver, machine.device(0));
    let (sender, receiver) = std::sync::mpsc::channel();
    machine.simulator.after_call("cuDevicePrimaryCtxRelease_v2", 1, move || {
        let mut raw = std::ptr::null_mut();
        let retain =
            driver.function(cuda_primary_context::sys::functions::cuDevicePrimaryCtxRetain_v7000);
        // SAFETY: the out-parameter is a handle of ours, the device handle is the driver's own.
        let code = unsafe { retain.unwrap()(&mut raw, device.as_raw()) };
        assert!(code.is_success());
        // SAFETY: the reference was retained just now, and nobody else will release it.
        sender.send(unsafe { PrimaryContext::from_raw(device, raw) }.unwrap()).unwrap();
    });
    let policy = releases_up_to(4);
    let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::StillActive { releases: 1 });
    let again = receiver.recv().unwrap();
    assert_eq!((machine.references()[0], again.device().handles()), (3, Ok(1)));
}

/// Somebody else's release comes between the query of the state and the release.
#[test]
fn context_that_goes_in_between_is_inactive_and_no_reference_is_missed() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    let (driver, device) = (machine.driver, machine.device(0));
    machine.simulator.before_call("cuDevicePrimaryCtxRelease_v2", 1, move || {
        let release =
            driver.function(cuda_primary_context::sys::functions::cuDevicePrimaryCtxRelease_v11000);
        // SAFETY: the simulator's others hold the reference.
        let code = unsafe { release.unwrap()(device.as_raw()) };
        assert!(code.is_success());
    });
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::AlreadyInactive);
    assert_eq!(machine.simulator.underflows(), 1);
}

#[test]
fn reference_that_was_given_away_is_a_stray() {
    let machine = machine(2);
    let raw = PrimaryContext::retain(machine.device(0)).unwrap().into_raw();
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::Released { releases: 1 });
    assert_eq!((machine.references(), raw.is_null()), (vec![0, 1], false));
}
