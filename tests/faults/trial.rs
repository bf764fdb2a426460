//! One trial: set the scene, arm the faults, sweep, drop the guard, judge.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cuda_primary_context::Error;

use super::complaint::{Complaints, Rule};
use super::injection::Injection;
use super::log::{Entry, entries};
use super::scene::Scene;
use super::stage::{Stage, View};
use super::told::{Sweeper, Told};
use super::verdict;

/// What was seen of a sweep and of the drop of its guard.
#[derive(Debug)]
pub struct Seen {
    pub before: View,
    /// After the sweep, before the drop.
    pub between: View,
    pub after: View,
    pub entries: Vec<Entry>,
    /// How many of the entries are the sweep's.
    pub boundary: usize,
    /// `None`: it panicked.
    pub told: Option<Result<Told, Error>>,
    pub drop_panicked: bool,
    pub fired: u64,
}

impl Seen {
    pub fn sweep(&self) -> &[Entry] {
        &self.entries[..self.boundary]
    }

    pub fn drop(&self) -> &[Entry] {
        &self.entries[self.boundary..]
    }

    /// Whether a device fails although no call does: its context is active, and nobody holds a
    /// reference that could be released.
    fn has_orphans(&self, scene: &Scene) -> bool {
        let orphaned = |device: u32| {
            let primary = self.before.primaries[device as usize];
            scene.is_other(device) && primary.active && primary.references == 0
        };
        scene.policy.releases > 0 && (0..scene.devices()).any(orphaned)
    }
}

/// What a trial found.
pub struct Finding {
    pub complaints: Complaints,
    /// The functions called, the drop's among them.
    pub calls: Vec<&'static str>,
    /// How many calls the faults hit.
    pub fired: u64,
}

/// Makes a trial with these faults, and a second sweep without any, on what the first left.
pub fn trial<I: Sweeper>(
    stage: &Stage,
    implementation: &I,
    scene: &Scene,
    faults: &[Injection],
) -> Finding {
    stage.restore(scene);
    let seen = observe(stage, implementation, scene, faults);
    let mut complaints = verdict::judge(scene, &seen);
    if !faults.is_empty() {
        let again = observe(stage, implementation, scene, &[]);
        let succeeded = match &again.told {
            Some(Ok(told)) => told.result.is_err() == again.has_orphans(scene),
            _ => false,
        };
        complaints.unless(succeeded, Rule::SucceedsAfterwards, || format!("{:?}", again.told));
        complaints.extend(verdict::judge(scene, &again));
    }
    let calls = seen.entries.iter().map(|entry| entry.function).collect();
    Finding { complaints, calls, fired: seen.fired }
}

fn observe<I: Sweeper>(
    stage: &Stage,
    implementation: &I,
    scene: &Scene,
    faults: &[Injection],
) -> Seen {
    let simulator = &stage.machine.simulator;
    let driver = stage.machine.driver;
    let policy = scene.policy.stray_release(driver);
    let kept = scene.kept.map(|ordinal| stage.machine.device(ordinal));
    let before = stage.view();
    simulator.clear_calls();
    simulator.record_calls(true);
    faults.iter().for_each(|fault| fault.arm(simulator));

    let answer = catch_unwind(AssertUnwindSafe(|| match kept {
        Some(device) => {
            implementation.retain_only(device, &policy).map(|(guard, told)| (Some(guard), told))
        }
        None => implementation.run(driver, &policy).map(|told| (None, told)),
    }));
    let between = stage.view();
    let (told, guard) = match answer {
        Ok(Ok((guard, told))) => (Some(Ok(told)), guard),
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
