//! What becomes of the calling thread's current context in a release, on the simulator.

mod support;

use cuda_primary_context::sys::{CUcontext, CUresult, functions};
use cuda_primary_context::{
    CurrentContextChange, Device, Outcome, PrimaryContext, PrimaryContextGuard, Report,
    StrayRelease,
};
use simulated_libcuda::{Fault, Knob};
use support::{Machine, machine, outcomes};

const KEPT: Outcome = Outcome::Kept;

fn released(releases: u32) -> Outcome {
    Outcome::Released { releases }
}

/// Whether the report says that the thread was on this device's context, which is destroyed.
fn is_switched(report: &Report, from: Device) -> bool {
    let change = report.current_context();
    change.kind() == "switched" && change.from() == Some(from) && change.error().is_none()
}

#[test]
fn thread_on_a_stale_context_is_moved_to_the_kept_one() {
    let machine = machine(3);
    machine.stray(&[1, 0, 1]);
    machine.simulator.set_current(Some(0));
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert!(is_switched(guard.report(), machine.device(0)));
    assert!(guard.report().current_context_switched());
    let stack = machine.simulator.stack();
    assert_eq!(stack.len(), 1);
    assert_eq!((stack[0].device, stack[0].alive), (1, true));
}

#[test]
fn thread_elsewhere_is_left_alone() {
    for current in [None, Some(1), Some(2)] {
        let machine = machine(3);
        machine.stray(&[1, 1, 1]);
        machine.simulator.set_current(current);
        let before = machine.simulator.stack();
        let policy = StrayRelease::new().keep([machine.device(2)]);
        let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
        assert_eq!(*guard.report().current_context(), CurrentContextChange::Unchanged);
        assert!(!guard.report().current_context_switched());
        assert_eq!(machine.simulator.stack(), before, "current {current:?}");
    }
}

#[test]
fn thread_gets_its_context_back_if_the_device_stays_active() {
    let machine = machine(2);
    machine.stray(&[2, 0]);
    machine.simulator.set_current(Some(0));
    let before = machine.simulator.stack();
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::StillActive { releases: 1 });
    assert_eq!(*guard.report().current_context(), CurrentContextChange::Unchanged);
    assert_eq!(machine.simulator.stack(), before);
}

#[test]
fn thread_on_a_destroyed_context_is_left_alone_if_its_device_is_known() {
    let machine = machine(3);
    machine.simulator.set_knob(Knob::GetDeviceOnDead, 0);
    machine.stray(&[1, 0, 1]);
    machine.simulator.set_current(Some(2));
    machine.simulator.release_by_others(2);
    let before = machine.simulator.stack();
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard), [released(1), KEPT, Outcome::AlreadyInactive]);
    assert_eq!(*guard.report().current_context(), CurrentContextChange::Unchanged);
    assert_eq!(machine.simulator.stack(), before);
}

/// No release can leave such a thread worse off, and so it is left alone.
#[test]
fn thread_on_a_destroyed_context_of_no_known_device_is_left_alone() {
    for code in [201, 709] {
        let machine = machine(3);
        machine.stray(&[1, 0, 1]);
        machine.simulator.set_current(Some(2));
        machine.simulator.release_by_others(2);
        let before = machine.simulator.stack();
        machine.simulator.inject(Fault::of("cuCtxGetDevice", 1).code(code).refused().once());
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        assert_eq!(outcomes(&guard), [released(1), KEPT, Outcome::AlreadyInactive]);
        assert_eq!(*guard.report().current_context(), CurrentContextChange::Unchanged);
        assert_eq!(machine.simulator.stack(), before);
    }
}

#[test]
fn device_is_not_released_under_a_thread_that_cannot_be_moved() {
    for (function, code) in
        [("cuCtxGetCurrent", 999), ("cuCtxGetDevice", 999), ("cuCtxSetCurrent", 999)]
    {
        let machine = machine(2);
        machine.stray(&[1, 0]);
        machine.simulator.set_current(Some(0));
        machine.simulator.inject(Fault::of(function, 1).code(code).refused().from_then_on());
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        let Outcome::Failed { error, releases: 0, active: Some(true), .. } = &outcomes(&guard)[0]
        else {
            panic!("{function} failed, and the report says {:?}", outcomes(&guard));
        };
        assert_eq!((error.call(), error.code()), (Some(function), Some(CUresult(code))));
        let line = guard.report().devices().next().unwrap();
        let failing = line.calls().find(|call| !call.code.is_success()).expect("it is recorded");
        assert_eq!((failing.function, failing.code), (function, CUresult(code)));
        assert_eq!(machine.references(), [1, 1]);
        assert_eq!(machine.simulator.stack()[0].device, 0);
    }
}

#[test]
fn context_that_cannot_be_restored_is_an_error() {
    let machine = machine(2);
    machine.stray(&[2, 0]);
    machine.simulator.set_current(Some(0));
    machine.simulator.inject(Fault::of("cuCtxSetCurrent", 2).code(999).refused().once());
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::StillActive { releases: 1 });
    let error = guard.report().check().unwrap_err();
    assert_eq!(error.call(), Some("cuCtxSetCurrent"));
    let change = guard.report().current_context();
    assert_eq!((change.from(), change.error()), (Some(machine.device(0)), Some(&error)));
    assert_eq!(change.kind(), "not_restored");
    assert_eq!(machine.simulator.stack()[0].device, 1);
}

/// The call had its effect and then reported an earlier failure.
#[test]
fn context_that_is_restored_all_the_same_is_unchanged() {
    let machine = machine(2);
    machine.stray(&[2, 0]);
    machine.simulator.set_current(Some(0));
    let before = machine.simulator.stack();
    let fault = Fault::of("cuCtxSetCurrent", 2).code(999).done_then_reported().once();
    machine.simulator.inject(fault);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(*guard.report().current_context(), CurrentContextChange::Unchanged);
    assert_eq!(machine.simulator.stack(), before);
}

/// The move to the kept context failed and had its effect: the device is left alone, and the thread is
/// put back on its context.
#[test]
fn thread_that_was_moved_all_the_same_is_put_back() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    machine.simulator.set_current(Some(0));
    let before = machine.simulator.stack();
    let fault = Fault::of("cuCtxSetCurrent", 1).code(999).done_then_reported().once();
    machine.simulator.inject(fault);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0].kind(), "failed");
    assert_eq!(*guard.report().current_context(), CurrentContextChange::Unchanged);
    assert_eq!(machine.simulator.stack(), before);
    assert_eq!(machine.references(), [1, 1]);
}

/// Makes a context of `cuCtxCreate` on this device, which is current then.
fn create_context(machine: &Machine, ordinal: u32) -> CUcontext {
    let create = machine.driver.function(functions::cuCtxCreate_v3020).unwrap();
    let mut context = std::ptr::null_mut();
    // SAFETY: the out-parameter is a handle of ours, the device handle is the driver's own.
    let code = unsafe { create(&mut context, 0, machine.device(ordinal).as_raw()) };
    assert!(code.is_success(), "{code}");
    context
}

fn current(machine: &Machine) -> CUcontext {
    let get_current = machine.driver.function(functions::cuCtxGetCurrent_v4000).unwrap();
    let mut context = std::ptr::null_mut();
    // SAFETY: the out-parameter is a handle of ours.
    let code = unsafe { get_current(&mut context) };
    assert!(code.is_success(), "{code}");
    context
}

/// An ordinary context on a stray device outlives the release of the primary one, and stays current.
#[test]
fn living_ordinary_context_is_given_back() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    let ordinary = create_context(&machine, 0);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], released(1));
    assert_eq!(*guard.report().current_context(), CurrentContextChange::Unchanged);
    assert_eq!(current(&machine), ordinary);
    let calls: Vec<&str> =
        guard.report().devices().next().unwrap().calls().map(|call| call.function).collect();
    let expected = [
        "cuDevicePrimaryCtxGetState",
        "cuCtxGetCurrent",
        "cuCtxGetDevice",
        "cuCtxSetCurrent",
        "cuDevicePrimaryCtxRelease_v2",
        "cuDevicePrimaryCtxGetState",
        "cuCtxGetApiVersion",
        "cuCtxSetCurrent",
    ];
    assert_eq!(calls, expected);
}

/// Without a device to keep there is nothing to put in the place of the thread's context: it is popped,
/// and what lay beneath it stays where it was.
#[test]
fn run_pops_the_threads_context_and_pushes_it_if_it_lives() {
    for (references, lives) in [(2, true), (1, false)] {
        let machine = machine(3);
        machine.stray(&[references, 0, 1]);
        let policy = StrayRelease::new().keep([machine.device(2)]);
        machine.simulator.set_current(Some(2));
        let beneath = machine.simulator.stack();
        let push = machine.driver.function(functions::cuCtxPushCurrent_v4000).unwrap();
        let raw = PrimaryContext::retain(machine.device(0)).unwrap();
        // SAFETY: the handle is that of a living context.
        assert!(unsafe { push(raw.as_raw()) }.is_success());
        drop(raw);
        let before = machine.simulator.stack();
        let report = policy.run(machine.driver).unwrap();
        match lives {
            true => {
                assert_eq!(*report.current_context(), CurrentContextChange::Unchanged);
                assert_eq!(machine.simulator.stack(), before);
            }
            false => {
                assert!(is_switched(&report, machine.device(0)));
                assert_eq!(machine.simulator.stack(), beneath);
            }
        }
    }
}

/// A context that could not be restored is told of, and the walk goes on.
#[test]
fn walk_goes_on_after_a_context_that_could_not_be_restored() {
    let machine = machine(4);
    machine.stray(&[2, 0, 1, 1]);
    machine.simulator.set_current(Some(0));
    machine.simulator.inject(Fault::of("cuCtxSetCurrent", 2).code(999).refused().once());
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let still_active = Outcome::StillActive { releases: 1 };
    assert_eq!(outcomes(&guard), [still_active, KEPT, released(1), released(1)]);
    assert_eq!(guard.report().current_context().from(), Some(machine.device(0)));
    assert_eq!(machine.references(), [1, 1, 0, 0]);
}
