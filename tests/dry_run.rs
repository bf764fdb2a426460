//! The dry run: what it says, and that it does nothing.

mod support;

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Error, Planned, PrimaryContext, StrayRelease};
use simulated_libcuda::Fault;
use support::{machine, releases_up_to};

const GET_STATE: &str = "cuDevicePrimaryCtxGetState";

#[test]
fn dry_run_says_what_would_be_done_and_does_nothing() {
    let machine = machine(6);
    machine.stray(&[2, 0, 1, 0, 1, 1]);
    let held = PrimaryContext::retain(machine.device(4)).unwrap();
    let policy = releases_up_to(3).keep([machine.device(2)]);
    machine.simulator.inject(Fault::of(GET_STATE, 1).device(5).code(700).refused().once());
    let before = machine.references();
    let calls = machine.calls_of(|| {
        let plan = policy.plan(machine.device(1)).unwrap();
        let planned: Vec<Planned> = plan.devices().map(|(_, planned)| planned.clone()).collect();
        let failure = Error::Driver { call: GET_STATE, device: Some(5), code: CUresult(700) };
        let expected = [
            Planned::Release { at_most: 3 },
            Planned::Keep,
            Planned::LeaveAlone,
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

/// A bound of 0 plans no release.
#[test]
fn dry_run_of_a_policy_without_releases_leaves_devices_active() {
    let machine = machine(3);
    machine.stray(&[1, 0, 0]);
    let plan = releases_up_to(0).plan(machine.device(1)).unwrap();
    let planned: Vec<&Planned> = plan.devices().map(|(_, planned)| planned).collect();
    let keep = Planned::Keep;
    assert_eq!(planned, [&Planned::LeaveActive, &keep, &Planned::AlreadyInactive]);
    assert_eq!(planned[0].to_string(), "leave active (no release allowed)");
}

#[test]
fn dry_run_of_a_run_keeps_what_the_policy_keeps() {
    let machine = machine(3);
    machine.stray(&[1, 1, 0]);
    let policy = StrayRelease::new().keep([machine.device(1)]);
    let plan = policy.plan_run(machine.driver).unwrap();
    let planned: Vec<(u32, &Planned)> =
        plan.devices().map(|(device, planned)| (device.ordinal(), planned)).collect();
    let release = Planned::Release { at_most: 1 };
    let keep = Planned::LeaveAlone;
    assert_eq!(planned, [(0, &release), (1, &keep), (2, &Planned::AlreadyInactive)]);
    assert_eq!(machine.references(), [1, 1, 0]);
}
