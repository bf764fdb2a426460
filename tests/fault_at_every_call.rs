//! A fault at every driver call of every public operation, and the verdict on each.
//!
//! Each trial fails one call: the first, the second, until nothing is hit any more. It is refused, or
//! done and then reported as failed; it fails once, or with every call after it; with fifteen codes.
//! `cargo test` runs a part: fewer scenes, and each code in turn. `FAULTS=all cargo test --release
//! --test fault_at_every_call -- --show-output` runs every scene, with every kind of fault but where
//! there are thousands of scenes and each kind has its turn in hundreds. The counts are printed.

mod faults;
mod support;

use faults::campaign::{
    at_each_of, at_every_pair, at_these_calls, every_kind, in_every_scene, in_every_scene_in_turn,
    part,
};
use faults::condition::{CONDITIONS, Condition, PLAIN};
use faults::extent::{Tally, all};
use faults::injection::{CODES, Injection, Kind};
use faults::operations::{Body, CALL_NOTHING, Given, device_by_uuid, operations, uuid};
use faults::patterns::{
    ordinary, patterns, representative_patterns, scenes_of_many, with_currents, with_every_current,
    with_every_two,
};
use faults::scene::{Policy, Scene};
use faults::stage::{DeadContext, Stage};
use faults::trial::insist;
use faults::{loading, lookup, operation_trial};
use simulated_libcuda::{Builder, Fault, Simulator};

#[test]
fn load_and_enumerate() {
    let mut tally = Tally::new("load and enumerate, 1 to 8 devices");
    for devices in 1..=8 {
        // Every driver stays loaded, and with thousands of them the next one takes long.
        let kinds = match all() && [1, 3, 8].contains(&devices) {
            true => every_kind(),
            false => Kind::in_turn(devices as usize).collect(),
        };
        at_each_of(&mut tally, &devices, &kinds, &loading::clean_calls(devices), |fault| {
            loading::trial(devices, fault)
        });
    }
    tally.finish();
}

#[test]
fn answers_of_init_with_errors_of_their_own() {
    for (code, kind) in faults::benign::OF_INIT {
        for fault in Kind::once(code).map(|kind| kind.at(1)) {
            let finding = loading::trial(2, Some(fault));
            insist(&finding.complaints, &kind, &[fault]);
            assert_eq!(finding.fired, 1);
        }
    }
}

#[test]
fn looking_functions_up() {
    let mut tally = Tally::new("looking a function up");
    // By the second generation of cuGetProcAddress, and by the first.
    let second = || Simulator::builder();
    let first = || Simulator::builder().without(&["cuGetProcAddress_v2"]);
    let builders = [second as fn() -> Builder, first];
    for (builder, generation) in builders.into_iter().zip(lookup::GENERATIONS) {
        at_each_of(&mut tally, &generation, &every_kind(), &[generation], |fault| {
            lookup::trial(builder(), fault)
        });
    }
    for fault in Kind::once(lookup::NOT_FOUND).map(|kind| kind.at(1)) {
        let finding = lookup::trial(first(), Some(fault));
        insist(&finding.complaints, &"not found", &[fault]);
        assert_eq!(finding.fired, 1);
    }
    tally.finish();
}

#[test]
fn operations_of_a_few_steps() {
    let mut tally = Tally::new("operations of a few steps");
    let mut stage = Stage::new(3, DeadContext::Named);
    for condition in CONDITIONS {
        for stack in [Vec::new(), vec![ordinary(0)], vec![ordinary(2), ordinary(1)]] {
            let conditions = vec![condition; 3];
            let scene = Scene { kept: None, conditions, stack, policy: Policy::plain() };
            stage.set(&scene);
            for (turn, operation) in operations().enumerate() {
                let ordinal = turn as u32 % 3;
                let kinds: Vec<Kind> = match all() || scene.stack.is_empty() {
                    true => every_kind(),
                    false => Kind::in_turn(turn).collect(),
                };
                let calls = (operation.calls)(&Given::of(&scene, ordinal));
                at_each_of(&mut tally, &(operation.name, &scene), &kinds, &calls, |fault| {
                    let faults = fault.as_slice();
                    operation_trial::trial(&stage, &scene, operation.body, ordinal, faults)
                });
            }
        }
    }
    tally.finish();
}

#[test]
fn uuid_is_asked_for_once_a_device() {
    let mut tally = Tally::new("uuid and device_by_uuid, by both generations");
    let both: &[&str] = &["cuDeviceGetUuid", "cuDeviceGetUuid_v2"];
    let operations: [(&str, Body); 2] = [("uuid", uuid), ("device_by_uuid", device_by_uuid)];
    for (version, calls) in [(13000, both), (11030, &both[..1])] {
        for (name, operation) in operations {
            let builder = Simulator::builder().driver_version(version);
            // One device for the clean run, and one for each trial: what is asked is kept.
            let devices = 1 + (every_kind().len() * (calls.len() + 1)) as u32;
            let mut stage = Stage::from_builder(builder, devices, DeadContext::Named);
            let conditions = vec![Condition::Inactive; devices as usize];
            let stack = Vec::new();
            let scene = Scene { kept: None, conditions, stack, policy: Policy::plain() };
            stage.set(&scene);
            let mut ordinals = 0..devices;
            let one_each = |fault: Option<Injection>| {
                let ordinal = ordinals.next().expect("a device for each trial");
                operation_trial::trial(&stage, &scene, operation, ordinal, fault.as_slice())
            };
            at_each_of(&mut tally, &(name, version), &every_kind(), calls, one_each);
        }
    }
    tally.finish();
}

#[test]
fn what_calls_nothing_cannot_fail() {
    let stage = Stage::new(3, DeadContext::Named);
    let simulator = &stage.machine.simulator;
    simulator.inject(Fault::at_call(1).code(999).refused().from_then_on());
    let before = simulator.total_calls();
    for (name, body) in CALL_NOTHING {
        body(&stage);
        assert_eq!(simulator.total_calls(), before, "{name} calls the driver");
    }
}

/// Every pattern of conditions of the other devices, with the thread on nothing, on the kept device
/// and on a stray one.
fn every_pattern(
    devices: u32,
    kept: Option<u32>,
    conditions: &'static [Condition],
    policy: &Policy,
) -> impl Iterator<Item = Scene> + use<> {
    let policy = policy.clone();
    patterns(devices, kept, conditions)
        .flat_map(move |conditions| with_currents(&conditions, kept, &policy))
}

fn middle(devices: u32) -> Option<u32> {
    Some(devices / 2)
}

#[test]
fn retain_only_on_1_to_4_devices() {
    let mut tally = Tally::new("retain_only, 1 to 4 devices, every pattern");
    for devices in 1..=4 {
        let mut stage = Stage::new(devices, DeadContext::Unnamed);
        let scenes = every_pattern(devices, middle(devices), &CONDITIONS, &Policy::plain());
        in_every_scene(&mut tally, &mut stage, &part(scenes, 2 * devices as usize - 1));
    }
    tally.finish();
}

#[test]
fn retain_only_on_5_devices() {
    let mut tally = Tally::new("retain_only, 5 devices, every pattern without green contexts");
    let mut stage = Stage::new(5, DeadContext::Named);
    let scenes = every_pattern(5, middle(5), &PLAIN, &Policy::plain());
    in_every_scene(&mut tally, &mut stage, &part(scenes, 7));
    tally.finish();
}

#[test]
fn retain_only_on_6_to_8_devices() {
    let mut tally = Tally::new("retain_only, 6 to 8 devices, some patterns");
    let policies = [Policy::plain(), Policy::keep(&[0]), Policy::releases(3)];
    for devices in 6..=8 {
        let mut stage = Stage::new(devices, DeadContext::Named);
        for kept in [1, devices - 1] {
            for policy in &policies {
                let scenes = representative_patterns(devices, kept)
                    .into_iter()
                    .flat_map(|conditions| with_currents(&conditions, Some(kept), policy));
                in_every_scene_in_turn(&mut tally, &mut stage, &part(scenes, 13));
            }
        }
    }
    tally.finish();
}

#[test]
fn retain_only_with_each_policy() {
    let mut tally = Tally::new("retain_only_with, 2 to 4 devices, each policy");
    for devices in 2..=4 {
        let mut stage = Stage::new(devices, DeadContext::Named);
        let keep = [Policy::keep(&[0]), Policy::keep(&[devices - 1, 0])];
        let bounds = [0, 2, 3].map(Policy::releases);
        for policy in keep.into_iter().chain(bounds) {
            let step = [1, 5, 41][devices as usize - 2];
            let scenes = every_pattern(devices, middle(devices), &CONDITIONS, &policy);
            in_every_scene_in_turn(&mut tally, &mut stage, &part(scenes, step));
        }
    }
    tally.finish();
}

#[test]
fn retain_only_with_the_thread_on_any_device() {
    let mut tally = Tally::new("retain_only, 1 to 3 devices, each kept, the thread on each");
    for dead_context in [DeadContext::Named, DeadContext::Unnamed] {
        for devices in 1..=3 {
            let mut stage = Stage::new(devices, dead_context);
            for kept in 0..devices {
                for kept_condition in CONDITIONS {
                    let scenes =
                        patterns(devices, Some(kept), &CONDITIONS).flat_map(|mut pattern| {
                            pattern[kept as usize] = kept_condition;
                            with_every_current(&pattern, Some(kept), &Policy::releases(2))
                        });
                    in_every_scene_in_turn(&mut tally, &mut stage, &part(scenes, 61));
                }
            }
        }
    }
    tally.finish();
}

#[test]
fn run_on_1_to_3_devices() {
    let mut tally = Tally::new("run, 1 to 3 devices, the thread on each");
    for devices in 1..=3 {
        let mut stage = Stage::new(devices, DeadContext::Named);
        for policy in [Policy::plain(), Policy::releases(3), Policy::keep(&[0])] {
            let scenes = patterns(devices, None, &CONDITIONS)
                .flat_map(|pattern| with_every_current(&pattern, None, &policy))
                .filter(|scene| scene.clean_calls() > 0);
            in_every_scene_in_turn(&mut tally, &mut stage, &part(scenes, 41));
        }
    }
    tally.finish();
}

#[test]
fn stacks_of_two_contexts() {
    let mut tally = Tally::new("run and retain_only, 3 devices, two contexts on the stack");
    let mut stage = Stage::new(3, DeadContext::Named);
    let conditions = &[Condition::Active, Condition::Multiple, Condition::Green];
    for kept in [None, Some(1)] {
        for policy in [Policy::plain(), Policy::releases(2)] {
            let scenes = patterns(3, kept, conditions)
                .flat_map(|pattern| with_every_two(&pattern, kept, &policy));
            in_every_scene_in_turn(&mut tally, &mut stage, &part(scenes, 13));
        }
    }
    tally.finish();
}

#[test]
fn machines_of_17_to_1024_devices() {
    let mut tally = Tally::new("retain_only and run, 17, 33 and 1024 devices");
    for devices in [17, 33, 1024] {
        let mut stage = Stage::new(devices, DeadContext::Named);
        for scene in scenes_of_many(devices) {
            let calls = scene.clean_calls();
            // The first, the last ones, and some between.
            let between = if all() { 60 } else { 3 };
            let step = calls.div_ceil(between);
            let ends = (calls - 2..=calls).filter(|call| (call - 1) % step != 0);
            let chosen: Vec<usize> = (1..=calls).step_by(step).chain(ends).collect();
            at_these_calls(&mut tally, &mut stage, &scene, &chosen);
        }
    }
    tally.finish();
}

/// Fails two calls of `retain_only` on four devices: each one, and then each later one of the run
/// that the first fault makes of it.
#[test]
fn every_pair_of_faults_on_4_devices() {
    /// Answers that lead somewhere: no failure for Drop, one that the state decides about, one about
    /// a dead context, one that is undone, a failure everywhere.
    const LEADING: [u32; 5] = [4, 201, 709, 800, 999];
    let mut tally = Tally::new("every pair of faults, 4 devices");
    let mut stage = Stage::new(4, DeadContext::Unnamed);
    let scenes = every_pattern(4, middle(4), &CONDITIONS, &Policy::plain());
    for (turn, scene) in scenes.step_by(if all() { 7 } else { 61 }).enumerate() {
        stage.set(&scene);
        let pairs: Vec<(u32, u32)> = match all() {
            true => LEADING.iter().flat_map(|one| LEADING.map(|two| (*one, two))).collect(),
            false => vec![(LEADING[turn % LEADING.len()], CODES[turn % CODES.len()])],
        };
        for (one, two) in pairs {
            for first in Kind::once(one) {
                for second in Kind::once(two) {
                    at_every_pair(&mut tally, &stage, &scene, first, second);
                }
            }
        }
    }
    tally.finish();
}
