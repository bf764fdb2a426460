//! Green contexts of others: a release must not make their memory unreachable.

use crate::support::{Machine, RELEASE, RETAIN, machine, machine_from, machine_with, outcomes};
use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Outcome, PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::{Fault, Simulator};

/// The state and the references of device 0.
fn so_now(machine: &Machine) -> (bool, u32) {
    (machine.simulator.is_active(0), machine.references()[0])
}

/// A handle and a green context, of whose two references somebody took one.
fn handle_beside_a_green_context(machine: &Machine) -> PrimaryContext {
    let context = machine.retain(0);
    machine.simulator.add_green_context(0);
    machine.simulator.release_by_others(0);
    assert_eq!(so_now(machine), (true, 1));
    context
}

#[test]
fn handle_is_released_if_the_undo_succeeds() {
    let machine = machine(2);
    handle_beside_a_green_context(&machine).release().unwrap();
    assert_eq!(so_now(&machine), (true, 1), "the green context has its reference");
    assert_eq!(machine.device(0).handles(), Ok(0));
}

#[test]
fn handle_is_gone_if_the_undo_fails() {
    let machine = machine(2);
    let context = handle_beside_a_green_context(&machine);
    machine.refuse(RETAIN, 2);
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
    machine.stray(&[1, 0]);
    machine.refuse(RELEASE, 800);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let Outcome::Failed { error, releases: 0, active: Some(true) } = &outcomes(&guard)[0] else {
        panic!("{}", outcomes(&guard)[0]);
    };
    assert_eq!((error.call(), error.code()), (Some(RELEASE), Some(CUresult(800))));
    assert_eq!(machine.references(), [1, 1]);

    machine.refuse(RELEASE, 800);
    let failed = guard.release().unwrap_err();
    assert!(failed.handle().is_some(), "the reference is still owed");
    assert_eq!((machine.references(), machine.driver.unreleased()), (vec![1, 1], 0));
    drop(failed);
    assert_eq!((machine.references(), machine.driver.unreleased()), (vec![1, 1], 1));
}

#[test]
fn release_that_left_nothing_active_is_not_undone() {
    for code in [201, 800] {
        let machine = machine_with(&[1, 0]);
        let fault = Fault::of(RELEASE, 1).device(0).code(code);
        machine.simulator.inject(fault.done_then_reported().once());
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        match (code, &outcomes(&guard)[0]) {
            // As if somebody else had released the last reference after the query of the state.
            (201, Outcome::AlreadyInactive)
            | (800, Outcome::Failed { releases: 0, active: Some(false), .. }) => {}
            (_, outcome) => panic!("{code}: {outcome}"),
        }
        assert_eq!(so_now(&machine), (false, 0), "no retain creates it again");
    }
}
