//! Green contexts of others: a release must not make their memory unreachable.

use crate::support::{Machine, machine, machine_from, outcomes};
use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Outcome, PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::{Fault, Simulator};

const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";
const RETAIN: &str = "cuDevicePrimaryCtxRetain";

/// The state and the references of device 0.
fn so_now(machine: &Machine) -> (bool, u32) {
    (machine.simulator.is_active(0), machine.references()[0])
}

/// A handle and a green context, and somebody took one of the two references.
fn handle_and_robbed_green_context() -> (Machine, PrimaryContext) {
    let machine = machine(2);
    let context = PrimaryContext::retain(machine.device(0)).unwrap();
    machine.simulator.add_green_context(0);
    machine.simulator.release_by_others(0);
    assert_eq!(so_now(&machine), (true, 1));
    (machine, context)
}

#[test]
fn handle_is_gone_where_the_undo_fails() {
    let (machine, context) = handle_and_robbed_green_context();
    machine.simulator.inject(Fault::of(RETAIN, 1).code(2).refused().once());
    let failed = context.release().unwrap_err();
    assert!(failed.handle().is_none());
    assert_eq!(failed.error().call(), Some(RETAIN));
    assert_eq!(so_now(&machine), (true, 0));
    assert_eq!(machine.device(0).handles(), Ok(0));
}

/// A driver that has no green contexts, or whose context is gone, has refused or released; no retain
/// follows, which would add a reference that nobody gives back.
#[test]
fn release_that_was_plainly_refused_is_not_undone() {
    // Green contexts came with CUDA 12.4.
    let older = Simulator::builder().devices(2).driver_version(12_030).visible_devices(None);
    let machine = machine_from(older);
    let refused = || {
        machine.simulator.inject(Fault::of(RELEASE, 1).code(800).refused().once());
    };
    machine.stray(&[1, 0]);
    refused();
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let Outcome::Failed { error, releases: 0, active: Some(true) } = &outcomes(&guard)[0] else {
        panic!("{}", outcomes(&guard)[0]);
    };
    assert_eq!((error.call(), error.code()), (Some(RELEASE), Some(CUresult(800))));
    assert_eq!(machine.references(), [1, 1]);

    refused();
    let failed = guard.release().unwrap_err();
    assert!(failed.handle().is_some(), "the reference is still owed");
    assert_eq!((machine.references(), machine.driver.unreleased()), (vec![1, 1], 0));
    drop(failed);
    assert_eq!((machine.references(), machine.driver.unreleased()), (vec![1, 1], 1));
}

#[test]
fn release_that_left_nothing_active_is_not_undone() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    machine.simulator.inject(Fault::of(RELEASE, 1).device(0).code(800).done_then_reported().once());
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let failed = &outcomes(&guard)[0];
    assert!(matches!(failed, Outcome::Failed { releases: 0, active: Some(false), .. }), "{failed}");
    assert_eq!(so_now(&machine), (false, 0), "no retain creates it again");
}
