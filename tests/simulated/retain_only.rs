//! What `retain_only` does, case by case, on the simulator.

use crate::support::{GET_STATE, RELEASE, machine, machine_with, outcomes, releases_up_to};
use cuda_primary_context::{Error, Outcome, PrimaryContextGuard, Report, StrayRelease};
use simulated_libcuda::Fault;

#[test]
fn policies_with_another_drivers_devices_are_refused() {
    let (one, other) = (machine(2), machine(2));
    let policy = StrayRelease::new().keep([other.device(0)]);
    one.stray(&[1, 0]);
    let calls = one.calls_of(|| {
        let refused = [
            PrimaryContextGuard::retain_only_with(one.device(1), &policy).err(),
            policy.run(one.driver).err(),
            policy.plan_retain_only(one.device(1)).err(),
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
fn a_second_run_says_what_earlier_runs_took() {
    let machine = machine_with(&[2, 0, 1, 1]);
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
    let machine = machine_with(&[1, 0, 2, 1]);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(guard.report().summary(), "kept 1; released 0, 3; still active 2");
    let report = guard.report();
    assert_eq!(report.look_again(), Ok(vec![]), "device 2 was active all the time");
    // A thread that still uses device 0 retains it again.
    machine.simulator.retain_by_others(0, 1);
    let calls = machine.calls_of(|| assert_eq!(report.look_again(), Ok(vec![machine.device(0)])));
    assert_eq!(calls, [format!("{GET_STATE}@0"), format!("{GET_STATE}@3")]);
    assert_eq!(machine.references(), [1, 1, 1, 0]);
    machine.refuse_for(3, GET_STATE, 999);
    assert_eq!(report.look_again().unwrap_err().device(), Some(3));
}

/// As if somebody else had released the last reference after the first release.
#[test]
fn a_later_release_that_finds_no_context_ends_the_device() {
    let machine = machine_with(&[2, 0]);
    let fault = Fault::of(RELEASE, 2).device(0).code(201);
    machine.simulator.inject(fault.done_then_reported().once());
    let guard =
        PrimaryContextGuard::retain_only_with(machine.device(1), &releases_up_to(3)).unwrap();
    let outcome = &outcomes(&guard)[0];
    assert!(matches!(outcome, Outcome::Released { releases: 1 }), "{outcome}");
    assert!(!guard.report().current_context_switched());
}

#[test]
fn displaying_a_report_calls_nothing() {
    let machine = machine_with(&[1, 0, 0]);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let plan = StrayRelease::new().plan_retain_only(machine.device(1)).unwrap();
    let calls = machine.calls_of(|| {
        let text = format!("{}{plan}{:?}", guard.report(), guard.report().devices().next());
        assert!(text.contains("GPU-"), "{text}");
        serde_json::to_string(&(guard.report(), &plan)).unwrap();
    });
    assert!(calls.is_empty(), "{calls:?}");
}
