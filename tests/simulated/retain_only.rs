//! What `retain_only` does, case by case, on the simulator.

use crate::support::{machine, outcomes, releases_up_to};
use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Error, Outcome, PrimaryContextGuard, Report, StrayRelease};
use simulated_libcuda::Fault;

const GET_STATE: &str = "cuDevicePrimaryCtxGetState";
const GET_CURRENT: &str = "cuCtxGetCurrent";
const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";

const KEPT: Outcome = Outcome::Kept;

fn released(releases: u32) -> Outcome {
    Outcome::Released { releases }
}

#[test]
fn releases_the_strays_and_keeps_the_one() {
    let machine = machine(4);
    machine.stray(&[1, 0, 1, 0]);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let expected = [released(1), KEPT, released(1), Outcome::AlreadyInactive];
    assert_eq!(outcomes(&guard), expected);
    assert_eq!(machine.references(), [0, 1, 0, 0]);
    assert_eq!(guard.report().check(), Ok(()));
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
fn releases_up_to_the_bound_and_no_further() {
    for (held, bound, left, expected) in [
        (3, 0, 3, Outcome::StillActive { releases: 0 }),
        (3, 2, 1, Outcome::StillActive { releases: 2 }),
        (3, 3, 0, released(3)),
        (3, 9, 0, released(3)),
    ] {
        let machine = machine(2);
        machine.stray(&[held, 0]);
        let policy = releases_up_to(bound);
        let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
        assert_eq!(outcomes(&guard)[0], expected, "bound {bound}");
        assert_eq!(machine.references()[0], left, "bound {bound}");
        assert_eq!(machine.simulator.underflows(), 0);
    }
}

#[test]
fn policies_with_another_drivers_devices_are_refused() {
    let (one, other) = (machine(2), machine(2));
    let policy = StrayRelease::new().keep([other.device(0)]);
    one.stray(&[1, 0]);
    let calls = one.calls_of(|| {
        let refused = [
            PrimaryContextGuard::retain_only_with(one.device(1), &policy).err(),
            policy.run(one.driver).err(),
            policy.plan(one.device(1)).err(),
            policy.plan_run(one.driver).err(),
        ];
        assert_eq!(refused, [const { Some(Error::OtherDriver { ordinal: 0 }) }; 4]);
    });
    assert!(calls.is_empty(), "{calls:?}");
    // Behind a device that belongs, too.
    let both = StrayRelease::new().keep([one.device(0), other.device(1)]);
    assert_eq!(both.run(one.driver).unwrap_err(), Error::OtherDriver { ordinal: 1 });
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

/// The function and code of every call made for a device.
fn calls(report: &Report, ordinal: usize) -> Vec<(&'static str, u32)> {
    let line = report.devices().nth(ordinal).unwrap();
    line.calls().map(|call| (call.function, call.code.0)).collect()
}

/// The error, the releases and what is known of the state, of a device that failed.
fn failure(guard: &PrimaryContextGuard, ordinal: usize) -> (Error, u32, Option<bool>) {
    match &outcomes(guard)[ordinal] {
        Outcome::Failed { error, releases, active, .. } => (error.clone(), *releases, *active),
        outcome => panic!("device {ordinal} did not fail: {outcome}"),
    }
}

#[test]
fn one_failing_device_hides_nothing() {
    for (function, active) in [(GET_STATE, None), (RELEASE, Some(true))] {
        let machine = machine(4);
        machine.stray(&[1, 0, 1, 1]);
        let fault = Fault::of(function, 1).device(2).code(719).refused().once();
        machine.simulator.inject(fault);
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        let error = Error::Driver { call: function, device: Some(2), code: CUresult(719) };
        assert_eq!(failure(&guard, 2), (error.clone(), 0, active));
        assert_eq!(outcomes(&guard)[..2], [released(1), KEPT]);
        assert_eq!(outcomes(&guard)[3], released(1));
        assert_eq!(guard.report().check(), Err(error));
        let calls = calls(guard.report(), 2);
        assert!(calls.contains(&(function, 719)), "{calls:?}");
        assert_eq!(machine.references(), [0, 1, 1, 0]);
    }
}

/// 201 says that there was no reference to take; whether the context is gone, the state says.
#[test]
fn somebody_faster_is_no_failure() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    machine.simulator.inject(Fault::of(RELEASE, 1).code(201).done_then_reported().once());
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::AlreadyInactive);
    assert_eq!(
        calls(guard.report(), 0),
        [(GET_STATE, 0), (GET_CURRENT, 0), (RELEASE, 201), (GET_STATE, 0)]
    );
}

#[test]
fn guard_releases_with_an_answer_and_its_context_comes_back_on_failure() {
    let machine = machine(2);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let raw = guard.context().as_raw();
    machine.simulator.inject(Fault::of(RELEASE, 1).code(999).refused().once());
    let (error, context) = guard.release().unwrap_err().into_parts();
    assert_eq!((error.call(), error.device()), (Some(RELEASE), Some(1)));
    let context = context.expect("the reference is still there");
    assert_eq!((context.device(), context.as_raw()), (machine.device(1), raw));
    assert_eq!(machine.references(), [0, 1]);
    context.release().unwrap();
    assert_eq!(machine.references(), [0, 0]);
}

#[test]
fn guard_comes_apart_into_context_and_report() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let told = guard.report().to_string();
    let (context, report) = guard.into_parts();
    assert_eq!((report.to_string(), report.kept()), (told, Some(context.device())));
    assert_eq!(machine.references(), [0, 1]);
    drop(context);
    assert_eq!(machine.references(), [0, 0]);
}

#[test]
fn a_second_run_says_what_earlier_runs_took() {
    let machine = machine(4);
    machine.stray(&[2, 0, 1, 1]);
    let policy = StrayRelease::new().keep([machine.device(3)]);
    let taken = |report: &Report| -> Vec<u32> {
        report.devices().map(|line| line.taken_before()).collect()
    };
    let first = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
    assert_eq!(taken(first.report()), [0, 0, 0, 0]);
    assert!(!first.report().to_string().contains("earlier runs"), "{first:?}");
    // Device 0 has one more; device 2 was released, and is inactive.
    let second = policy.run(machine.driver).unwrap();
    assert_eq!(taken(&second), [1, 0, 0, 0]);
    let text = second.to_string();
    let sentence = "device 0: earlier runs of this process released 1 reference here";
    assert!(text.contains(sentence), "{text}");
    assert!(second.devices().next().unwrap().to_string().contains("; earlier runs released 1 ("));
    machine.stray(&[1, 0, 1, 0]);
    assert_eq!(taken(&policy.run(machine.driver).unwrap()), [2, 0, 1, 0]);
    assert_eq!(taken(first.report()), [0, 0, 0, 0], "what was so when the report was made");
}

#[test]
fn looking_again_finds_what_came_back_and_releases_nothing() {
    let machine = machine(4);
    machine.stray(&[1, 0, 2, 1]);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(guard.report().summary(), "kept 1; released 0, 3; still active 2");
    let report = guard.report();
    assert_eq!(report.look_again(), Ok(vec![]), "device 2 was active all the time");
    // A thread that still uses device 0 retains it again.
    machine.simulator.retain_by_others(0, 1);
    let calls = machine.calls_of(|| assert_eq!(report.look_again(), Ok(vec![machine.device(0)])));
    assert_eq!(calls, [format!("{GET_STATE}@0"), format!("{GET_STATE}@3")]);
    assert_eq!(machine.references(), [1, 1, 1, 0]);
    machine.simulator.inject(Fault::of(GET_STATE, 1).device(3).code(999).refused().once());
    assert_eq!(report.look_again().unwrap_err().device(), Some(3));
}

#[test]
fn displaying_a_report_calls_nothing() {
    let machine = machine(3);
    machine.stray(&[1, 0, 0]);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let plan = StrayRelease::new().plan(machine.device(1)).unwrap();
    let calls = machine.calls_of(|| {
        let text = format!("{}{plan}{:?}", guard.report(), guard.report().devices().next());
        assert!(text.contains("GPU-"), "{text}");
        serde_json::to_string(&(guard.report(), &plan)).unwrap();
    });
    assert!(calls.is_empty(), "{calls:?}");
}
