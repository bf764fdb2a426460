//! Green contexts of others: a release must not make their memory unreachable.

use crate::support::{Machine, machine, machine_from, outcomes};
use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Outcome, PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::{Fault, Simulator};

const GET_STATE: &str = "cuDevicePrimaryCtxGetState";
const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";
const RETAIN: &str = "cuDevicePrimaryCtxRetain";

/// The state and the references of device 0.
fn so_now(machine: &Machine) -> (bool, u32) {
    (machine.simulator.is_active(0), machine.references()[0])
}

/// The calls made for device 0 itself, with their codes.
fn calls(guard: &PrimaryContextGuard) -> Vec<(&'static str, u32)> {
    let line = guard.report().devices().next().unwrap();
    let calls = line.calls().filter(|call| call.function.starts_with("cuDevice"));
    calls.map(|call| (call.function, call.code.0)).collect()
}

#[test]
fn release_of_a_green_contexts_reference_is_undone_at_once() {
    let machine = machine(2);
    machine.simulator.add_green_context(0);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::HeldByGreenContext { releases: 0 });
    assert_eq!(calls(&guard), [(GET_STATE, 0), (RELEASE, 800), (GET_STATE, 0), (RETAIN, 0)]);
    assert_eq!(guard.report().check(), Ok(()), "it is held, and nothing failed");
    assert_eq!(so_now(&machine), (true, 1));
    machine.simulator.remove_green_context(0);
    assert_eq!(
        so_now(&machine),
        (false, 0),
        "the green context's owner destroys it, and all is gone"
    );
    assert_eq!(machine.device(0).handles(), Ok(0));
}

#[test]
fn undo_that_fails_is_told_with_what_is_so() {
    let machine = machine(2);
    machine.simulator.add_green_context(0);
    machine.simulator.inject(Fault::of(RETAIN, 1).device(0).code(2).refused().once());
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let Outcome::Failed { error, releases: 1, active: Some(true), .. } = &outcomes(&guard)[0]
    else {
        panic!("{}", outcomes(&guard)[0]);
    };
    assert_eq!((error.call(), error.code()), (Some(RETAIN), Some(CUresult(2))));
    assert_eq!(calls(&guard), [(GET_STATE, 0), (RELEASE, 800), (GET_STATE, 0), (RETAIN, 2)]);
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
fn handle_leaves_its_reference_to_a_green_context_that_lost_its_own() {
    for by_drop in [false, true] {
        let (machine, context) = handle_and_robbed_green_context();
        match by_drop {
            true => drop(context),
            false => context.release().unwrap(),
        }
        assert_eq!(so_now(&machine), (true, 1));
        assert_eq!((machine.device(0).handles(), machine.driver.unreleased()), (Ok(0), 0));
        assert_eq!(machine.simulator.count(RETAIN), 2, "the handle's, and the one that undoes");
        machine.simulator.remove_green_context(0);
        assert_eq!(so_now(&machine), (false, 0));
    }
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
