//! The walk, the policy and the report on machines with many devices, every line compared with the truth.

mod support;

use cuda_primary_context::{
    DeviceReport, Outcome, Planned, PrimaryContext, PrimaryContextGuard, StrayRelease,
};
use support::{Machine, machine, releases_up_to};

/// What is so of a device before, by its ordinal: how many references others hold, whether this crate
/// holds one, and whether the policy keeps it.
#[derive(Clone, Copy)]
struct Before {
    others: u32,
    held: bool,
    kept: bool,
}

/// Patterns that repeat with a period that divides no size of a machine or a list.
fn before(ordinal: u32) -> Before {
    Before {
        others: [1, 0, 2, 0, 0, 3, 0, 1, 0, 0, 0][ordinal as usize % 11],
        held: ordinal % 13 == 5,
        kept: ordinal % 7 == 6,
    }
}

fn expected(before: Before, bound: u32) -> Outcome {
    match before {
        Before { kept: true, .. } => Outcome::LeftAlone,
        Before { held: true, .. } => Outcome::HeldHere { handles: 1 },
        Before { others: 0, .. } => Outcome::AlreadyInactive,
        Before { others, .. } if others <= bound => Outcome::Released { releases: others },
        _ => Outcome::StillActive { releases: bound },
    }
}

fn scene(count: u32) -> (Machine, Vec<PrimaryContext>) {
    let machine = machine(count);
    let others: Vec<u32> = (0..count).map(|ordinal| before(ordinal).others).collect();
    machine.stray(&others);
    let held = (0..count).filter(|ordinal| before(*ordinal).held);
    let held = held.map(|ordinal| PrimaryContext::retain(machine.device(ordinal)).unwrap());
    let held = held.collect();
    (machine, held)
}

/// The policy that keeps what the pattern says, named in two calls, the high ordinals first.
fn policy(machine: &Machine, bound: u32) -> StrayRelease {
    let kept = machine.driver.devices().filter(|device| before(device.ordinal()).kept);
    let (low, high): (Vec<_>, Vec<_>) = kept.partition(|device| device.ordinal() < 40);
    releases_up_to(bound).keep(high).keep(low)
}

#[test]
fn every_line_is_what_is_so() {
    for count in [2, 17, 33, 1024] {
        for (device, bound) in [(0, 1), (count / 2, 2), (count - 1, 3)] {
            let (machine, held) = scene(count);
            let policy = policy(&machine, bound);
            let plan = policy.plan(machine.device(device)).unwrap();
            let guard =
                PrimaryContextGuard::retain_only_with(machine.device(device), &policy).unwrap();
            assert_eq!(guard.report().devices().len(), count as usize);
            let lines = guard.report().devices().zip(plan.devices());
            for (ordinal, (line, (planned_device, planned))) in (0..).zip(lines) {
                let at = format!("device {ordinal} of {count}, keeping {device}, up to {bound}");
                assert_eq!(line.device(), machine.device(ordinal), "{at}");
                assert_eq!(planned_device, machine.device(ordinal), "{at}");
                let outcome = match ordinal == device {
                    true => Outcome::Kept,
                    false => expected(before(ordinal), bound),
                };
                assert_eq!(*line.outcome(), outcome, "{at}");
                assert_eq!(*planned, plan_of(&outcome, bound), "{at}");
                assert_eq!(calls_of_the_device(&line), expected_calls(&outcome), "{at}");
                let own = u32::from(before(ordinal).held) + u32::from(ordinal == device);
                let left = before(ordinal).others - line.outcome().releases() + own;
                assert_eq!(machine.references()[ordinal as usize], left, "{at}");
            }
            drop((guard, held));
            assert_eq!(machine.simulator.underflows(), 0);
        }
    }
}

fn plan_of(outcome: &Outcome, bound: u32) -> Planned {
    match outcome {
        Outcome::Kept => Planned::Keep,
        Outcome::LeftAlone => Planned::LeaveAlone,
        Outcome::HeldHere { handles } => Planned::HeldHere { handles: *handles },
        Outcome::AlreadyInactive => Planned::AlreadyInactive,
        _ => Planned::Release { at_most: bound },
    }
}

fn calls_of_the_device(line: &DeviceReport<'_>) -> Vec<&'static str> {
    let prefix = "cuDevicePrimaryCtx";
    line.calls().filter_map(|call| call.function.strip_prefix(prefix)).collect()
}

fn expected_calls(outcome: &Outcome) -> Vec<&'static str> {
    match outcome {
        Outcome::Kept => vec!["Retain"],
        Outcome::LeftAlone => vec![],
        Outcome::AlreadyInactive | Outcome::HeldHere { .. } => vec!["GetState"],
        outcome => {
            let mut calls = vec!["GetState"];
            calls.extend((0..outcome.releases()).flat_map(|_| ["Release_v2", "GetState"]));
            calls
        }
    }
}
