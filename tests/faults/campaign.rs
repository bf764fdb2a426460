//! Trials of one operation: without a fault, then with one at every call.

use std::fmt::Debug;

use super::extent::{Tally, all};
use super::injection::{Injection, Kind};
use super::scene::Scene;
use super::stage::Stage;
use super::told::Crate;
use super::trial::{Finding, insist, trial};

/// The kinds of faults of this turn.
fn kinds(turn: usize) -> Vec<Kind> {
    if all() { Kind::all().collect() } else { Kind::in_turn(turn).collect() }
}

pub fn every_kind() -> Vec<Kind> {
    Kind::all().collect()
}

/// Runs one trial without a fault, then one with each kind of fault at the first call, the second,
/// until nothing is hit. Counts those in which a fault fired; a clean run has this many calls.
pub fn at_every_call(
    tally: &mut Tally,
    scene: &dyn Debug,
    kinds: &[Kind],
    clean_calls: usize,
    mut trial: impl FnMut(Option<Injection>) -> Finding,
) {
    let clean = trial(None);
    insist(&clean.complaints, scene, &[]);
    assert_eq!(clean.calls.len(), clean_calls, "{scene:?} calls {:?}", clean.calls);
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

/// As above, where a clean run makes exactly these calls.
pub fn at_each_of(
    tally: &mut Tally,
    scene: &dyn Debug,
    kinds: &[Kind],
    clean_calls: &[&str],
    mut trial: impl FnMut(Option<Injection>) -> Finding,
) {
    let checked = |fault: Option<Injection>| {
        let finding = trial(fault);
        if fault.is_none() {
            assert_eq!(finding.calls, clean_calls, "{scene:?}");
        }
        finding
    };
    at_every_call(tally, scene, kinds, clean_calls.len(), checked);
}

/// Fails every call of a sweep in each of these scenes, with every kind of fault where all is run.
pub fn in_every_scene(tally: &mut Tally, stage: &mut Stage, scenes: &[Scene]) {
    in_scenes(tally, stage, scenes, kinds);
}

/// As above, with each kind in turn: there are so many scenes that each kind has hundreds.
pub fn in_every_scene_in_turn(tally: &mut Tally, stage: &mut Stage, scenes: &[Scene]) {
    in_scenes(tally, stage, scenes, |turn| Kind::in_turn(turn).collect());
}

fn in_scenes(
    tally: &mut Tally,
    stage: &mut Stage,
    scenes: &[Scene],
    kinds: impl Fn(usize) -> Vec<Kind>,
) {
    for (turn, scene) in scenes.iter().enumerate() {
        stage.set(scene);
        at_every_call(tally, scene, &kinds(turn), scene.clean_calls(), |fault| {
            trial(stage, &Crate, scene, fault.as_slice())
        });
    }
}

/// Fails these calls of a sweep, counted from 1; too many calls for every one of them.
pub fn at_these_calls(tally: &mut Tally, stage: &mut Stage, scene: &Scene, calls: &[usize]) {
    stage.set(scene);
    let clean = trial(stage, &Crate, scene, &[]);
    insist(&clean.complaints, scene, &[]);
    assert_eq!(clean.calls.len(), scene.clean_calls());
    let calls = calls.iter().filter(|&&call| call <= clean.calls.len());
    for (turn, &call) in calls.enumerate() {
        for kind in Kind::in_turn(turn) {
            let fault = kind.at(call);
            let finding = trial(stage, &Crate, scene, &[fault]);
            insist(&finding.complaints, scene, &[fault]);
            tally.add(usize::from(finding.fired > 0), 1);
        }
    }
}

/// Fails two calls of a sweep: each one, and then each later one of what the first fault makes of it.
pub fn at_every_pair(tally: &mut Tally, stage: &Stage, scene: &Scene, first: Kind, second: Kind) {
    for call in 1..=scene.clean_calls() {
        let alone = trial(stage, &Crate, scene, &[first.at(call)]);
        assert_eq!(alone.fired, 1, "{scene:?} has a call {call}");
        // That those are the calls of the design is what the verdict on it says.
        insist(&alone.complaints, scene, &[first.at(call)]);
        let later = alone.calls.len() - call;
        let fires = (call + 1..).take_while(|&later| {
            let faults = [first.at(call), second.at(later)];
            let finding = trial(stage, &Crate, scene, &faults);
            insist(&finding.complaints, scene, &faults);
            finding.fired == 2
        });
        tally.add(fires.count(), later);
    }
}

/// All of these scenes, or where a part will do, each so many-th.
pub fn part(scenes: impl Iterator<Item = Scene>, step: usize) -> Vec<Scene> {
    scenes.step_by(if all() { 1 } else { step }).collect()
}
