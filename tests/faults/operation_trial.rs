//! One trial of an operation that is a few steps.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::complaint::{Complaints, Rule};
use super::injection::Injection;
use super::log::{Entry, entries};
use super::operations::Body;
use super::recorder::Recorder;
use super::scene::Scene;
use super::stage::Stage;
use super::trial::Finding;

/// Runs the operation with these faults, and again without any, on what it left.
pub fn trial(
    stage: &Stage,
    scene: &Scene,
    operation: Body,
    ordinal: u32,
    faults: &[Injection],
) -> Finding {
    stage.restore(scene);
    let (mut finding, _) = observe(stage, operation, ordinal, faults);
    if !faults.is_empty() {
        let (again, succeeded) = observe(stage, operation, ordinal, &[]);
        finding.complaints.extend(again.complaints);
        finding.complaints.unless(succeeded, Rule::SucceedsAfterwards, || "it fails".into());
    }
    finding
}

/// One run of it, and whether no step told a failure.
fn observe(stage: &Stage, operation: Body, ordinal: u32, faults: &[Injection]) -> (Finding, bool) {
    let simulator = &stage.machine.simulator;
    let before = stage.view();
    simulator.clear_calls();
    simulator.record_calls(true);
    faults.iter().for_each(|fault| fault.arm(simulator));
    let mut recorder = Recorder::new(stage);
    let ran = catch_unwind(AssertUnwindSafe(|| operation(&mut recorder, ordinal))).is_ok();
    let after = stage.view();
    let fired = simulator.faults_fired();
    simulator.clear_faults();
    simulator.record_calls(false);

    let entries: Vec<Entry> = entries(&simulator.calls(), faults);
    let succeeded = ran && recorder.succeeded();
    let mut complaints = Complaints::default();
    complaints.unless(ran, Rule::NoPanic, || "it panicked".into());
    if ran {
        complaints.extend(recorder.judge(&before, &after, &entries));
    }
    let calls = entries.iter().map(|entry| entry.function).collect();
    (Finding { complaints, calls, fired }, succeeded)
}
