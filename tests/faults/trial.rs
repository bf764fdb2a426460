//! One trial of `retain_only`: set the scene, arm the faults, call it, drop its guard, judge.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cuda_primary_context::Error;

use super::complaint::{Complaints, Rule};
use super::injection::Injection;
use super::log::{Entry, entries};
use super::scene::Scene;
use super::stage::{Stage, View};
use super::told::{RetainOnly, Told};
use super::verdict;

/// What was seen of a call of `retain_only` and of the drop of its guard.
#[derive(Debug)]
pub struct Seen {
    pub before: View,
    /// After `retain_only`, before the drop.
    pub between: View,
    pub after: View,
    pub entries: Vec<Entry>,
    /// How many of the entries are `retain_only`'s.
    pub boundary: usize,
    /// `None`: it panicked.
    pub told: Option<Result<Told, Error>>,
    pub drop_panicked: bool,
    pub fired: u64,
}

/// What a trial found.
pub struct Finding {
    pub complaints: Complaints,
    /// Driver calls, the drop's among them.
    pub calls: usize,
    /// How many calls the faults hit.
    pub fired: u64,
}

/// Makes a trial with these faults, and a second call without any, on what the first left.
pub fn trial<I: RetainOnly>(
    stage: &Stage,
    implementation: &I,
    scene: &Scene,
    faults: &[Injection],
) -> Finding {
    stage.restore(scene);
    let seen = observe(stage, implementation, scene, faults);
    let mut complaints = verdict::judge(stage, scene, &seen);
    if !faults.is_empty() {
        let again = observe(stage, implementation, scene, &[]);
        let succeeded = matches!(&again.told, Some(Ok(told)) if told.result.is_ok());
        complaints.unless(succeeded, Rule::SucceedsAfterwards, || format!("{:?}", again.told));
        complaints.extend(verdict::judge(stage, scene, &again));
    }
    Finding { complaints, calls: seen.entries.len(), fired: seen.fired }
}

fn observe<I: RetainOnly>(
    stage: &Stage,
    implementation: &I,
    scene: &Scene,
    faults: &[Injection],
) -> Seen {
    let simulator = &stage.machine.simulator;
    let device = stage.machine.device(scene.kept);
    let policy = scene.policy.stale_release(stage.machine.driver);
    let before = stage.view();
    simulator.clear_calls();
    simulator.record_calls(true);
    faults.iter().for_each(|fault| fault.arm(simulator));

    let answer = catch_unwind(AssertUnwindSafe(|| implementation.retain_only(device, &policy)));
    let between = stage.view();
    let (told, guard) = match answer {
        Ok(Ok((guard, told))) => (Some(Ok(told)), Some(guard)),
        Ok(Err(error)) => (Some(Err(error)), None),
        Err(_) => (None, None),
    };
    let drop_panicked = catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err();
    let after = stage.view();

    let fired = simulator.faults_fired();
    simulator.clear_faults();
    simulator.record_calls(false);
    let entries = entries(&simulator.calls(), faults);
    let boundary = (between.calls - before.calls) as usize;
    Seen { before, between, after, entries, boundary, told, drop_panicked, fired }
}

/// Panics with the trial and all that was found against it, if anything was.
pub fn insist(complaints: &Complaints, scene: &dyn fmt::Debug, faults: &[Injection]) {
    assert!(complaints.are_none(), "{scene:?}\n{faults:?}\n{complaints}");
}
