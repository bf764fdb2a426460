//! What `retain_only` does, case by case, on the simulator.

mod support;

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{
    CurrentContextChange, Error, Outcome, Planned, PrimaryContext, PrimaryContextGuard,
    StaleRelease,
};
use simulated_libcuda::{Fault, Knob};
use support::{machine, outcomes};

const GET_STATE: &str = "cuDevicePrimaryCtxGetState";
const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";

fn released(releases: u32) -> Outcome {
    Outcome::Released { releases }
}

#[test]
fn releases_the_stale_and_keeps_the_one() {
    let machine = machine(4);
    machine.stray(&[1, 0, 1, 0]);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let expected = [released(1), Outcome::Kept, released(1), Outcome::AlreadyInactive];
    assert_eq!(outcomes(&guard), expected);
    assert_eq!(machine.references(), [0, 1, 0, 0]);
    assert_eq!(guard.report().into_result(), Ok(()));
    drop(guard);
    assert_eq!(machine.references(), [0, 0, 0, 0]);
}

#[test]
fn calls_nothing_else_on_other_devices() {
    let machine = machine(3);
    machine.stray(&[1, 0, 0]);
    let calls = machine.calls_of(|| {
        drop(PrimaryContextGuard::retain_only(machine.device(1)).unwrap());
    });
    let expected = [
        "cuDevicePrimaryCtxRetain@1",
        "cuDevicePrimaryCtxGetState@0",
        "cuCtxGetCurrent",
        "cuDevicePrimaryCtxRelease_v2@0",
        "cuDevicePrimaryCtxGetState@0",
        "cuDevicePrimaryCtxGetState@2",
        "cuDevicePrimaryCtxRelease_v2@1",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn reports_every_call_of_every_device() {
    let machine = machine(4);
    machine.stray(&[2, 0, 1, 0]);
    let policy = StaleRelease::new().releases_up_to(2);
    let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
    let calls: Vec<Vec<&str>> = guard
        .report()
        .devices()
        .map(|device| device.calls().map(|call| call.function).collect())
        .collect();
    let expected = [
        vec![GET_STATE, RELEASE, GET_STATE, RELEASE, GET_STATE],
        vec!["cuDevicePrimaryCtxRetain"],
        vec![GET_STATE, RELEASE, GET_STATE],
        vec![GET_STATE],
    ];
    assert_eq!(calls, expected);
}

#[test]
fn one_release_may_leave_a_device_active() {
    let machine = machine(2);
    machine.stray(&[3, 0]);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::StillActive { releases: 1 });
    assert_eq!(machine.references(), [2, 1]);
    assert_eq!(guard.report().into_result(), Ok(()), "that is no failure");
}

#[test]
fn releases_up_to_the_bound_and_no_further() {
    for (held, bound, left, expected) in [
        (3, 0, 3, Outcome::StillActive { releases: 0 }),
        (3, 2, 1, Outcome::StillActive { releases: 2 }),
        (3, 3, 0, released(3)),
        (3, 9, 0, released(3)),
    ] {
        let machine = machine(2);
        machine.stray(&[held, 0]);
        let policy = StaleRelease::new().releases_up_to(bound);
        let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
        assert_eq!(outcomes(&guard)[0], expected, "bound {bound}");
        assert_eq!(machine.references()[0], left, "bound {bound}");
        assert_eq!(machine.simulator.underflows(), 0);
    }
}

#[test]
fn leaves_devices_with_live_handles_alone() {
    let machine = machine(3);
    let mine = PrimaryContext::retain(machine.device(0)).unwrap();
    let also_mine = PrimaryContext::retain(machine.device(0)).unwrap();
    machine.stray(&[1, 0, 0]);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::HeldHere { handles: 2 });
    assert_eq!(machine.references()[0], 3);
    drop((mine, also_mine));
    let second = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&second)[0], released(1), "a dropped handle holds nothing");
}

#[test]
fn guards_of_two_devices_never_release_each_other() {
    let machine = machine(2);
    let first = PrimaryContextGuard::retain_only(machine.device(0)).unwrap();
    let second = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&second)[0], Outcome::HeldHere { handles: 1 });
    assert_eq!(machine.references(), [1, 1]);
    drop(first);
    assert_eq!(machine.references(), [0, 1]);
    drop(second);
}

#[test]
fn kept_devices_are_not_touched() {
    let machine = machine(3);
    machine.stray(&[1, 0, 1]);
    let policy = StaleRelease::new().keep([machine.device(2)]);
    let calls = machine.calls_of(|| {
        let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
        assert_eq!(outcomes(&guard), [released(1), Outcome::Kept, Outcome::Kept]);
    });
    assert!(!calls.iter().any(|call| call.ends_with("@2")), "{calls:?}");
    assert_eq!(machine.references(), [0, 0, 1]);
}

#[test]
fn policies_with_another_drivers_devices_are_refused() {
    let (one, other) = (machine(2), machine(2));
    let policy = StaleRelease::new().keep([other.device(0)]);
    let refused = PrimaryContextGuard::retain_only_with(one.device(1), &policy).unwrap_err();
    assert_eq!(refused, Error::OtherDriver { ordinal: 0 });
    assert_eq!(policy.plan(one.device(1)).unwrap_err(), Error::OtherDriver { ordinal: 0 });
    assert_eq!(one.references(), [0, 0]);
}

#[test]
fn failed_retain_touches_nothing() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    machine.simulator.inject(Fault::of("cuDevicePrimaryCtxRetain", 1).code(2).refused().once());
    let calls = machine.calls_of(|| {
        let error = PrimaryContextGuard::retain_only(machine.device(1)).unwrap_err();
        assert_eq!(
            error,
            Error::Driver {
                call: "cuDevicePrimaryCtxRetain",
                device: Some(1),
                code: CUresult::CUDA_ERROR_OUT_OF_MEMORY
            }
        );
    });
    assert_eq!(calls, ["cuDevicePrimaryCtxRetain@1"]);
    assert_eq!(machine.references(), [1, 0]);
}

#[test]
fn one_failing_device_hides_nothing() {
    for function in [GET_STATE, RELEASE] {
        let machine = machine(4);
        machine.stray(&[1, 0, 1, 1]);
        let fault = Fault::of(function, 1).device(2).code(719).refused().from_then_on();
        machine.simulator.inject(fault);
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        let failure = Error::Driver { call: function, device: Some(2), code: CUresult(719) };
        let expected = [released(1), Outcome::Kept, Outcome::Failed(failure.clone()), released(1)];
        assert_eq!(outcomes(&guard), expected);
        assert_eq!(guard.report().into_result(), Err(failure));
        let failing = guard.report().devices().nth(2).unwrap();
        let last = failing.calls().last().unwrap();
        assert_eq!((last.function, last.code), (function, CUresult(719)));
    }
}

#[test]
fn somebody_faster_is_no_failure() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    machine.simulator.inject(Fault::of(RELEASE, 1).code(201).done_then_reported().once());
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::AlreadyInactive);
    let line = guard.report().devices().next().unwrap();
    let calls: Vec<_> = line.calls().map(|call| (call.function, call.code.0)).collect();
    assert_eq!(calls, [(GET_STATE, 0), (RELEASE, 201)]);
}

#[test]
fn thread_on_a_stale_context_is_moved_to_the_kept_one() {
    let machine = machine(3);
    machine.stray(&[1, 0, 1]);
    machine.simulator.set_current(Some(0));
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let switched = CurrentContextChange::Switched { from: Some(machine.device(0)) };
    assert_eq!(guard.report().current_context(), switched);
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
        let policy = StaleRelease::new().keep([machine.device(2)]);
        let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
        assert_eq!(guard.report().current_context(), CurrentContextChange::Unchanged);
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
    assert_eq!(guard.report().current_context(), CurrentContextChange::Unchanged);
    assert_eq!(machine.simulator.stack(), before);
}

#[test]
fn thread_on_a_destroyed_context_is_left_alone_if_its_device_is_known() {
    let machine = machine(3);
    machine.simulator.set_knob(Knob::GetDeviceOnDead, 0);
    machine.stray(&[1, 0, 1]);
    machine.simulator.set_current(Some(2));
    machine.simulator.foreign_release(2);
    let before = machine.simulator.stack();
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard), [released(1), Outcome::Kept, Outcome::AlreadyInactive]);
    assert_eq!(guard.report().current_context(), CurrentContextChange::Unchanged);
    assert_eq!(machine.simulator.stack(), before);
}

#[test]
fn thread_on_a_destroyed_context_of_no_known_device_is_moved_before_a_release() {
    for code in [201, 709] {
        let machine = machine(3);
        machine.stray(&[1, 0, 1]);
        machine.simulator.set_current(Some(2));
        machine.simulator.foreign_release(2);
        machine.simulator.inject(Fault::of("cuCtxGetDevice", 1).code(code).refused().once());
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        assert_eq!(outcomes(&guard), [released(1), Outcome::Kept, Outcome::AlreadyInactive]);
        let switched = CurrentContextChange::Switched { from: None };
        assert_eq!(guard.report().current_context(), switched);
        assert_eq!(machine.simulator.stack()[0].device, 1);
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
        let Outcome::Failed(error) = &outcomes(&guard)[0] else {
            panic!("{function} failed, and the report says {:?}", outcomes(&guard));
        };
        assert_eq!((error.call(), error.code()), (Some(function), Some(CUresult(code))));
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
    let error = guard.report().into_result().unwrap_err();
    assert_eq!(error.call(), Some("cuCtxSetCurrent"));
    assert_eq!(guard.report().current_context(), CurrentContextChange::NotRestored(error));
}

#[test]
fn guard_releases_with_an_answer_and_comes_back_on_failure() {
    let machine = machine(2);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    machine.simulator.inject(Fault::of(RELEASE, 1).code(999).refused().once());
    let (error, guard) = guard.release().unwrap_err();
    assert_eq!((error.call(), error.device()), (Some(RELEASE), Some(1)));
    assert_eq!(guard.device(), machine.device(1));
    assert_eq!(machine.references(), [0, 1]);
    guard.release().unwrap();
    assert_eq!(machine.references(), [0, 0]);
}

#[test]
fn dry_run_says_what_would_be_done_and_does_nothing() {
    let machine = machine(6);
    machine.stray(&[2, 0, 1, 0, 1, 1]);
    let held = PrimaryContext::retain(machine.device(4)).unwrap();
    let policy = StaleRelease::new().keep([machine.device(2)]).releases_up_to(3);
    machine.simulator.inject(Fault::of(GET_STATE, 1).device(5).code(700).refused().once());
    let before = machine.references();
    let calls = machine.calls_of(|| {
        let plan = policy.plan(machine.device(1)).unwrap();
        let planned: Vec<Planned> = plan.devices().map(|(_, planned)| planned).collect();
        let failure = Error::Driver { call: GET_STATE, device: Some(5), code: CUresult(700) };
        let expected = [
            Planned::Release { at_most: 3 },
            Planned::Keep,
            Planned::Keep,
            Planned::AlreadyInactive,
            Planned::HeldHere { handles: 1 },
            Planned::Failed(failure),
        ];
        assert_eq!(planned, expected);
    });
    assert!(calls.iter().all(|call| call.starts_with(GET_STATE)), "{calls:?}");
    assert_eq!(machine.references(), before);
    drop(held);
}
