//! What a child sees that was forked from a process with a driver, by `fork` and by a bare `clone`: every
//! operation is refused, or does nothing, as it is documented; and the driver is not called.

use crate::support::processes::{BIRTHS, in_own_process, succeeds_in_child};
use crate::support::{Machine, RELEASE, RETAIN, load, machine, releases_up_to};
use cuda_primary_context::sys::{CUctx_flags, CUdevice_attribute, functions};
use cuda_primary_context::{
    Error, PrimaryContext, PrimaryContextGuard, ReleaseError, StrayRelease, Uuid, fork,
};

/// Checks that a result is `ForkedAfterInit`, and names this child's parent.
pub fn is_forked<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::ForkedAfterInit { initialised_in: Some(parent), .. })
            if parent == std::os::unix::process::parent_id() => {}
        other => panic!("in a forked child: {other:?}"),
    }
}

/// Every operation that makes something or asks something, which a child is refused.
pub fn every_operation_is_refused(machine: &Machine, context: &PrimaryContext) {
    let driver = machine.driver;
    is_forked(load(machine.simulator.path()));
    is_forked(driver.device_by_uuid(Uuid::from_bytes(machine.simulator.machine_uuid(1))));
    // That of device 0, and none.
    for address in ["0000:01:00.0", "no address\0"] {
        is_forked(driver.device_by_pci_bus_id(address));
    }
    is_forked(driver.function(functions::cuInit_v2000));
    is_forked(driver.function(functions::cuMemAlloc_v3020));
    let mut all = driver.primary_contexts();
    assert_eq!(all.len(), driver.devices().len());
    all.next();
    assert_eq!(all.len(), driver.devices().len() - 1);
    for (_, state) in driver.primary_contexts() {
        is_forked(state);
    }
    is_forked(context.make_current());
    is_forked(context.bind_to_thread());
    let policies = [StrayRelease::new(), releases_up_to(3).keep([context.device()])];
    for device in driver.devices() {
        is_forked(device.name());
        is_forked(device.pci_bus_id());
        is_forked(device.uuid());
        is_forked(device.attribute(CUdevice_attribute(1)));
        is_forked(device.compute_capability());
        is_forked(device.total_memory());
        is_forked(device.handles());
        is_forked(device.primary_context_state());
        is_forked(device.set_primary_context_flags(CUctx_flags(0)));
        // SAFETY: refused before it does anything.
        is_forked(unsafe { device.reset_primary_context() });
        is_forked(PrimaryContext::retain(device));
        is_forked(PrimaryContext::retain_if_active(device));
        // SAFETY: refused before it does anything.
        is_forked(unsafe { PrimaryContext::from_raw(device, context.as_raw()) });
        is_forked(PrimaryContextGuard::retain_only(device));
        for policy in &policies {
            is_forked(PrimaryContextGuard::retain_only_with(device, policy));
            is_forked(policy.plan_retain_only(device));
        }
    }
    for policy in policies {
        is_forked(policy.run(driver));
        is_forked(policy.plan_run(driver));
    }
    assert!(fork::forked_after_init());
}

/// Runs `body` in children of both kinds, without a driver call. `body` gets what `make` made in the parent;
/// what it does not consume, the parent drops.
fn in_children<T>(machine: &Machine, make: impl Fn() -> T, body: impl Fn(T) + Copy) {
    for birth in BIRTHS {
        let made = make();
        // The child's copy of the counter goes on from here.
        let before = machine.simulator.total_calls();
        succeeds_in_child(birth, || {
            body(made);
            assert_eq!(machine.simulator.total_calls(), before);
        });
    }
}

#[test]
fn inherited_contexts_and_guards_do_nothing() {
    in_own_process(|| {
        let machine = machine(3);
        machine.stray(&[0, 0, 1]);
        let make = || {
            let guard = || PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
            ([(); 3].map(|()| machine.retain(0)), [(); 4].map(|()| guard()))
        };
        in_children(&machine, make, |(contexts, guards)| {
            let [dropped, released, given_away] = contexts;
            assert_eq!(dropped.device(), machine.device(0));
            assert_eq!(given_away.as_raw(), dropped.as_raw());
            drop(dropped);
            is_refused_with_the_handle(released.release());
            assert!(!given_away.into_raw().is_null());

            let [dropped, released, taken, split] = guards;
            // A report of the parent's can be read: it holds all that it displays.
            assert_eq!(dropped.report().devices().len(), 3);
            assert!(dropped.report().to_string().contains("GPU-"), "{dropped:?}");
            assert_eq!(dropped.device(), dropped.context().device());
            is_forked(dropped.context().make_current());
            is_forked(dropped.report().look_again());
            drop(dropped);
            is_refused_with_the_handle(released.release());
            drop(taken.into_context());
            let (context, report) = split.into_parts();
            assert_eq!(report.check(), Ok(()));
            drop((context, report));
            assert_eq!(machine.driver.unreleased(), 0, "nothing is owed");
        });
        assert_eq!(machine.references(), [0, 0, 0], "the parent gave its own back");
        assert_eq!(machine.driver.unreleased(), 0);
    });
}

/// A release in a child is refused, and what it hands back owes nothing there.
fn is_refused_with_the_handle(result: Result<(), ReleaseError>) {
    let failed = result.unwrap_err();
    is_forked::<()>(Err(failed.error().clone()));
    assert!(failed.handle().is_some());
    let (error, context) = failed.into_parts();
    is_forked::<()>(Err(error));
    // Again, and given up on.
    let failed = context.unwrap().release().unwrap_err();
    is_forked::<()>(Err(failed.into()));
}

#[test]
fn inherited_scopes_do_nothing() {
    in_own_process(|| {
        let machine = machine(1);
        let context = machine.retain(0);
        let make = || [(); 2].map(|()| context.make_current().unwrap());
        in_children(&machine, make, |[dropped, left]| {
            assert_eq!(left.context().device(), machine.device(0));
            is_forked(left.leave());
            drop(dropped);
            assert_eq!(machine.simulator.stack().len(), 2, "the copy of the stack is as it was");
        });
        assert!(machine.simulator.stack().is_empty(), "the parent left its own");
    });
}

/// An error of the parent's, with the handle whose reference is the parent's to give back.
#[test]
fn inherited_errors_do_nothing() {
    in_own_process(|| {
        let machine = machine(1);
        let failed = || {
            machine.refuse(RELEASE, 999);
            machine.retain(0).release().unwrap_err()
        };
        let make = || (machine.driver.unreleased(), [(); 3].map(|()| failed()));
        in_children(&machine, make, |(unreleased, [dropped, converted, taken])| {
            assert_eq!(dropped.error().kind(), "driver", "it says what happened in the parent");
            drop(dropped);
            assert_eq!(Error::from(converted).kind(), "driver");
            let (error, context) = taken.into_parts();
            assert_eq!(error.kind(), "driver");
            is_refused_with_the_handle(context.unwrap().release());
            assert_eq!(machine.driver.unreleased(), unreleased, "nothing is owed here");
        });
        // The parent gave up on three in each round.
        assert_eq!(machine.driver.unreleased(), 3 * BIRTHS.len() as u64);
        assert_eq!(machine.device(0).handles(), Ok(0));
    });
}

#[test]
fn driver_that_is_not_initialized_is_no_fork_in_the_process_itself() {
    let machine = machine(1);
    machine.refuse(RETAIN, 3);
    let error = PrimaryContext::retain(machine.device(0)).unwrap_err();
    assert_eq!((error.kind(), error.call()), ("driver", Some(RETAIN)));
}
