//! A fault at every driver call of every public operation, and the verdict on each.
//!
//! Each trial fails one call: the first, the second, until nothing is hit any more. It is refused, or
//! done and then reported as failed; it fails once, or with every call after it; with fourteen codes.
//! `cargo test` runs a part of the product: fewer scenes where there are very many, each code in
//! turn. `FAULTS=all cargo test --test fault_at_every_call -- --show-output` runs all of it. The
//! counts are printed, and are known.

mod faults;
mod support;

use std::fmt::Debug;

use faults::extent::{Tally, all};
use faults::injection::{CODES, Injection, Kind};
use faults::operations::{CALL_NOTHING, OPERATIONS, Operation, uuid};
use faults::scene::{
    CONDITIONS, Condition, Policy, Scene, patterns, representative_patterns, with_currents,
    with_every_current,
};
use faults::stage::{DeadContext, Stage};
use faults::told::Crate;
use faults::trial::{Finding, insist, trial};
use faults::{loading, lookup, operation_trial};
use simulated_libcuda::{Builder, Fault, Simulator};

/// The kinds of faults of this turn.
fn kinds(turn: usize) -> Vec<Kind> {
    if all() { Kind::all().collect() } else { Kind::in_turn(turn).collect() }
}

fn every_kind() -> Vec<Kind> {
    Kind::all().collect()
}

/// Runs one trial without a fault, then one with each kind of fault at the first call, the second,
/// until nothing is hit. Counts those in which a fault fired; a clean run has this many calls.
fn at_every_call(
    tally: &mut Tally,
    scene: &dyn Debug,
    kinds: &[Kind],
    clean_calls: usize,
    mut trial: impl FnMut(Option<Injection>) -> Finding,
) {
    let clean = trial(None);
    insist(&clean.complaints, scene, &[]);
    assert_eq!(clean.calls, clean_calls, "{scene:?}");
    assert!(clean_calls > 0, "{scene:?} calls nothing that could fail");
    for kind in kinds {
        let fires = (1..).take_while(|&call| {
            let fault = kind.at(call);
            let finding = trial(Some(fault));
            insist(&finding.complaints, scene, &[fault]);
            finding.fired > 0
        });
        tally.add(fires.count(), clean_calls);
    }
}

/// Fails every call of `retain_only` in each of these scenes.
fn in_every_scene(tally: &mut Tally, stage: &mut Stage, scenes: &[Scene]) {
    for (turn, scene) in scenes.iter().enumerate() {
        stage.set(scene);
        let clean_calls = scene.clean_calls(stage.names_dead());
        at_every_call(tally, scene, &kinds(turn), clean_calls, |fault| {
            trial(stage, &Crate, scene, fault.as_slice())
        });
    }
}

/// All of these scenes, or where a part will do, each so many-th.
fn part(scenes: impl Iterator<Item = Scene>, step: usize) -> Vec<Scene> {
    scenes.step_by(if all() { 1 } else { step }).collect()
}

/// Every pattern of conditions of the other devices, with the thread on nothing, on the kept device
/// and on a stale one.
fn every_pattern(devices: u32, policy: &Policy) -> impl Iterator<Item = Scene> {
    let kept = devices / 2;
    patterns(devices, kept).flat_map(move |conditions| with_currents(&conditions, kept, policy))
}

#[test]
fn load_and_enumerate() {
    let mut tally = Tally::new("load and enumerate, 1 to 8 devices");
    for devices in 1..=8 {
        // Every driver stays loaded, and with thousands of them the next one takes long.
        let every = if all() { vec![1, 3, 8] } else { vec![3] };
        let turn = devices as usize;
        let kinds = match every.contains(&devices) {
            true => every_kind(),
            false => Kind::in_turn(turn).collect(),
        };
        let clean_calls = loading::clean_calls(devices);
        at_every_call(&mut tally, &devices, &kinds, clean_calls, |fault| {
            loading::trial(devices, fault)
        });
    }
    tally.finish(552, 1332);
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
    for (turn, builder) in [second as fn() -> Builder, first].into_iter().enumerate() {
        at_every_call(&mut tally, &turn, &every_kind(), lookup::CLEAN_CALLS, |fault| {
            lookup::trial(builder(), fault)
        });
    }
    for fault in Kind::once(lookup::NOT_FOUND).map(|kind| kind.at(1)) {
        let finding = lookup::trial(first(), Some(fault));
        insist(&finding.complaints, &"not found", &[fault]);
        assert_eq!(finding.fired, 1);
    }
    tally.finish(112, 112);
}

#[test]
fn operations_of_a_few_steps() {
    let mut tally = Tally::new("operations of a few steps");
    let mut stage = Stage::new(3, DeadContext::Named);
    for condition in CONDITIONS {
        for current in [None, Some(0), Some(2)] {
            let conditions = vec![condition; 3];
            let scene = Scene { kept: 0, conditions, current, policy: Policy::plain() };
            stage.set(&scene);
            for (ordinal, (name, operation)) in (0..3).cycle().zip(OPERATIONS) {
                let run = |fault: Option<Injection>| {
                    operation_trial::trial(&stage, &scene, operation, ordinal, fault.as_slice())
                };
                let clean_calls = run(None).calls;
                at_every_call(&mut tally, &(name, &scene), &every_kind(), clean_calls, run);
            }
        }
    }
    tally.finish(30_576, 30_576);
}

#[test]
fn uuid_is_asked_for_once_a_device() {
    let mut tally = Tally::new("uuid, by both generations");
    for version in [13000, 11030] {
        let builder = Simulator::builder().driver_version(version);
        let mut stage = Stage::from_builder(builder, 128, DeadContext::Named);
        let conditions = vec![Condition::Inactive; 128];
        let scene = Scene { kept: 0, conditions, current: None, policy: Policy::plain() };
        stage.set(&scene);
        let mut next = 0;
        let one_each = |fault: Option<Injection>| {
            next += 1;
            operation_trial::trial(&stage, &scene, uuid as Operation, next, fault.as_slice())
        };
        at_every_call(&mut tally, &version, &every_kind(), 1, one_each);
    }
    tally.finish(112, 112);
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

#[test]
fn retain_only_on_1_to_4_devices() {
    let mut tally = Tally::new("retain_only, 1 to 4 devices, every pattern");
    for devices in 1..=4 {
        let mut stage = Stage::new(devices, DeadContext::Unnamed);
        let scenes = part(every_pattern(devices, &Policy::plain()), 1);
        in_every_scene(&mut tally, &mut stage, &scenes);
    }
    tally.finish(9076, 127_064);
}

#[test]
fn retain_only_on_5_devices() {
    let mut tally = Tally::new("retain_only, 5 devices, every pattern");
    let mut stage = Stage::new(5, DeadContext::Named);
    in_every_scene(&mut tally, &mut stage, &part(every_pattern(5, &Policy::plain()), 1));
    tally.finish(36_576, 512_064);
}

#[test]
fn retain_only_on_6_to_8_devices() {
    let mut tally = Tally::new("retain_only, 6 to 8 devices, some patterns");
    let policies = [Policy::plain(), Policy::keep(0), Policy::releases(3), Policy::threads(3)];
    for devices in 6..=8 {
        let mut stage = Stage::new(devices, DeadContext::Named);
        for kept in [1, devices - 1] {
            for policy in &policies {
                let scenes = representative_patterns(devices, kept)
                    .into_iter()
                    .flat_map(|conditions| with_currents(&conditions, kept, policy));
                in_every_scene(&mut tally, &mut stage, &part(scenes, 5));
            }
        }
    }
    tally.finish(7300, 575_400);
}

#[test]
fn retain_only_with_each_policy() {
    let mut tally = Tally::new("retain_only_with, 2 to 5 devices, each policy");
    for devices in 2..=5 {
        let mut stage = Stage::new(devices, DeadContext::Named);
        let keep = [Policy::keep(0), Policy::keep(devices - 1)];
        let bounds = [0, 2, 3].map(Policy::releases);
        for policy in keep.into_iter().chain(bounds) {
            let step = [1, 1, 4, 13][devices as usize - 2];
            let scenes = part(every_pattern(devices, &policy), step);
            in_every_scene(&mut tally, &mut stage, &scenes);
        }
    }
    tally.finish(27_176, 2_862_328);
}

#[test]
fn retain_only_on_several_threads() {
    let mut tally = Tally::new("retain_only_with several threads, 3 and 4 devices");
    for devices in 3..=4 {
        let mut stage = Stage::new(devices, DeadContext::Named);
        for threads in [2, 8] {
            let policy = Policy { releases: 2, ..Policy::threads(threads) };
            let scenes = part(every_pattern(devices, &policy), 7);
            in_every_scene(&mut tally, &mut stage, &scenes);
        }
    }
    tally.finish(3104, 282_688);
}

#[test]
fn retain_only_with_the_thread_on_any_device() {
    let mut tally = Tally::new("retain_only, 1 to 3 devices, each kept, the thread on each");
    for dead_context in [DeadContext::Named, DeadContext::Unnamed] {
        for devices in 1..=3 {
            let mut stage = Stage::new(devices, dead_context);
            for kept in 0..devices {
                for policy in [Policy::plain(), Policy::releases(2)] {
                    for kept_condition in CONDITIONS {
                        let scenes = patterns(devices, kept).flat_map(|mut conditions| {
                            conditions[kept as usize] = kept_condition;
                            with_every_current(&conditions, kept, &policy)
                        });
                        in_every_scene(&mut tally, &mut stage, &part(scenes, 5));
                    }
                }
            }
        }
    }
    tally.finish(22_912, 1_524_544);
}

/// Fails two calls of `retain_only` on four devices: each one, and then each later one of the run
/// that the first fault makes of it.
#[test]
fn every_pair_of_faults_on_4_devices() {
    /// Answers that lead somewhere: no failure for Drop, no failure for a release, none for a
    /// question about the thread, a failure everywhere.
    const LEADING: [u32; 4] = [4, 201, 709, 999];
    let mut tally = Tally::new("every pair of faults, 4 devices");
    let mut stage = Stage::new(4, DeadContext::Unnamed);
    for (turn, scene) in every_pattern(4, &Policy::plain()).enumerate() {
        stage.set(&scene);
        let pairs: Vec<(u32, u32)> = match all() {
            true => LEADING.iter().flat_map(|one| LEADING.map(|two| (*one, two))).collect(),
            false => vec![(LEADING[turn % 4], CODES[turn % CODES.len()])],
        };
        for (one, two) in pairs {
            for first in Kind::once(one) {
                for second in Kind::once(two) {
                    pairs_of(&mut tally, &stage, &scene, first, second);
                }
            }
        }
    }
    tally.finish(20_112, 321_792);
}

fn pairs_of(tally: &mut Tally, stage: &Stage, scene: &Scene, first: Kind, second: Kind) {
    for call in 1.. {
        let alone = trial(stage, &Crate, scene, &[first.at(call)]);
        if alone.fired == 0 {
            break;
        }
        let fires = (call + 1..).take_while(|&later| {
            let faults = [first.at(call), second.at(later)];
            let finding = trial(stage, &Crate, scene, &faults);
            insist(&finding.complaints, scene, &faults);
            finding.fired == 2
        });
        tally.add(fires.count(), alone.calls - call);
    }
}
