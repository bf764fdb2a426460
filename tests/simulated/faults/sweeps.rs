//! The releases of strays, by `retain_only` and by `run`, in scenes of every kind.

use cuda_primary_context::{
    CurrentContextChange, DeviceReport, Outcome, PrimaryContextGuard, Report, StrayRelease,
};
use simulated_libcuda::{Knob, StackEntry};

use super::scene::{Current, KINDS, Scene, Stage};
use super::trial::{Entry, Reported, entries, run};
use super::{CODES, Injection, Kind, at_every_call};
use crate::support::{RELEASE, RETAIN};

/// What the driver logged of the sweep, and how things were before it.
struct Sweep<'a> {
    scene: &'a Scene,
    stage: &'a Stage,
    entries: Vec<Entry>,
    stack: Vec<StackEntry>,
}

/// Sweeps and checks the report against the driver at once; then the guard is released.
fn sweep(stage: &Stage, scene: &Scene, faults: &[Injection]) -> usize {
    let kept = scene.kept.unwrap_or(0);
    run(stage, scene, faults, kept, |stage, _| {
        let stack = stage.machine.simulator.stack();
        let policy = stage.policy(scene);
        if faults.is_empty() {
            check_plan(stage, scene, &policy);
        }
        let swept = match scene.kept {
            Some(kept) => {
                let device = stage.machine.device(kept);
                PrimaryContextGuard::retain_only_with(device, &policy).map(|guard| {
                    let (context, report) = guard.into_parts();
                    (Some(context), report)
                })
            }
            None => policy.run(stage.machine.driver).map(|report| (None, report)),
        };
        let mut reported = Reported::default();
        let Some((context, report)) = reported.value(swept) else { return reported };
        let sweep = Sweep { scene, stage, entries: entries(stage, faults), stack };
        if faults.is_empty() {
            check_outcomes(scene, &report);
        }
        sweep.check(&report);
        reported.releases = report.devices().map(|line| line.outcome().releases()).collect();
        let failures = report.devices().filter_map(|line| match line.outcome() {
            Outcome::Failed { error, .. } => Some(error.clone()),
            _ => None,
        });
        reported.errors.extend(failures.chain(report.current_context().error().cloned()));
        assert_eq!(report.check().err().as_ref(), reported.errors.first());
        if let Some(context) = context {
            let failed = context.release().err();
            reported.errors.extend(failed.map(cuda_primary_context::Error::from));
        }
        reported
    })
}

/// The dry run, which is not recorded.
fn check_plan(stage: &Stage, scene: &Scene, policy: &StrayRelease) {
    stage.machine.simulator.record_calls(false);
    let plan = match scene.kept {
        Some(kept) => policy.plan_retain_only(stage.machine.device(kept)),
        None => policy.plan_run(stage.machine.driver),
    };
    stage.machine.simulator.record_calls(true);
    for (device, planned) in plan.expect("this process was not forked").devices() {
        assert_eq!(*planned, scene.planned(device.ordinal()), "device {}", device.ordinal());
    }
}

/// Without a fault, the scene alone decides every outcome.
fn check_outcomes(scene: &Scene, report: &Report) {
    for line in report.devices() {
        let outcome = match line.outcome() {
            Outcome::HeldHere { handles } => ("held_here", *handles),
            outcome => (outcome.kind(), outcome.releases()),
        };
        assert_eq!(outcome, scene.outcome(line.ordinal()), "{report}");
    }
}

impl Sweep<'_> {
    fn check(&self, report: &Report) {
        let mut rest = &self.entries[..];
        if self.scene.kept.is_some() {
            rest = &rest[1..];
        }
        for line in report.devices() {
            let is_kept = self.scene.kept == Some(line.ordinal());
            let calls = if is_kept { &self.entries[..1] } else { &rest[..line.calls().len()] };
            let logged = calls.iter().map(|entry| (entry.function, entry.code));
            let same = logged.eq(line.calls().map(|call| (call.function, call.code.0)));
            assert!(same, "the calls are others: {line}");
            if !is_kept {
                rest = &rest[calls.len()..];
                self.check_device(&line, calls);
            }
        }
        assert!(rest.is_empty(), "not in the report: {rest:?}");
        self.check_thread(report.current_context());
    }

    /// The outcome says what is so, and how many references were released.
    fn check_device(&self, line: &DeviceReport<'_>, calls: &[Entry]) {
        let device = line.ordinal();
        let outcome = line.outcome();
        let is_active = self.stage.machine.simulator.is_active(device);
        let says = match outcome {
            Outcome::Failed { active, .. } => *active,
            Outcome::AlreadyInactive | Outcome::Released { .. } => Some(false),
            Outcome::Kept | Outcome::LeftAlone => None,
            _ => Some(true),
        };
        assert!(says.is_none_or(|says| says == is_active), "that is not so: {line}");

        let releases: Vec<usize> =
            (0..calls.len()).filter(|&index| calls[index].is(RELEASE, device)).collect();
        let is_taken = |index: &&usize| match calls[**index].code {
            0 => true,
            // It took a green context's reference, and could not give it back.
            800 => {
                calls.get(**index + 2).is_some_and(|undo| undo.is(RETAIN, device) && undo.failed())
            }
            _ => false,
        };
        let taken = releases.iter().filter(is_taken).count();
        assert_eq!(taken, outcome.releases() as usize, "{line}");
        // Nobody holds what is active all the same.
        let last = releases.last().map(|&index| calls[index].code);
        let is_failed = matches!(outcome, Outcome::Failed { .. });
        assert!(!is_active || last != Some(201) || is_failed, "{line}");
        let undoes = |index: usize| {
            // After the state, which says that the context is active.
            index > 1 && calls[index - 2].is(RELEASE, device) && calls[index - 2].code == 800
        };
        let is_created =
            (0..calls.len()).any(|index| calls[index].function == RETAIN && !undoes(index));
        assert!(!is_created, "it is retained: {line}");
        assert!(releases.len() <= self.scene.releases as usize, "too many releases: {line}");
        assert!(self.scene.is_stray(device) || releases.is_empty(), "kept or held: {line}");
    }

    /// A context that survives is current again; one that was destroyed is replaced.
    fn check_thread(&self, change: &CurrentContextChange) {
        let (before, after) = (&self.stack, self.stage.machine.simulator.stack());
        // A fault says that the context is destroyed which is current.
        let misled = self.entries.iter().any(|entry| {
            let is_query = ["cuCtxGetDevice", "cuCtxGetApiVersion"].contains(&entry.function);
            is_query && entry.hit.is_some() && [201, 709].contains(&entry.code)
        });
        let top = before.last();
        let holds = match change {
            _ if misled => true,
            CurrentContextChange::Unchanged => {
                // Only a dead context was left dead.
                let lives =
                    top.is_none_or(|top| !top.alive || after.last().is_some_and(|now| now.alive));
                let devices = |stack: &[StackEntry]| -> Vec<_> {
                    stack.iter().map(|entry| (entry.device, entry.is_primary)).collect()
                };
                lives && devices(before) == devices(&after)
            }
            CurrentContextChange::Switched { from, .. } => {
                let was_on = top.is_some_and(|top| top.device == from.ordinal());
                let is_gone = !self.stage.machine.simulator.is_active(from.ordinal());
                let on_kept = after.last().map(|top| (top.device, top.alive));
                let is_replaced = self.scene.kept.is_none_or(|kept| on_kept == Some((kept, true)));
                // What lay beneath it is left in its turn.
                let is_left_dead = after.last().is_some_and(|now| {
                    let was_alive = before.get(after.len() - 1).is_some_and(|entry| entry.alive);
                    was_alive && !now.alive
                });
                was_on && is_gone && is_replaced && !is_left_dead
            }
            CurrentContextChange::NotRestored { error, .. } => {
                self.entries.iter().any(|entry| entry.failed() && entry.is_reported_by(error))
            }
            _ => false,
        };
        assert!(holds, "{change}, from {before:?} to {after:?}");
    }
}

/// Three devices of every kind, the thread on each, with several policies.
fn scenes(kept: Option<u32>) -> Vec<Scene> {
    let stacks = [
        vec![],
        vec![Current::Primary(0)],
        vec![Current::Ordinary(0)],
        vec![Current::Primary(2), Current::Primary(0)],
        vec![Current::Primary(1)],
    ];
    let mut scenes = Vec::new();
    for first in KINDS {
        for last in KINDS {
            for stack in &stacks {
                for (keeps, releases) in [(None, 1), (None, 3), (Some(2), 1), (None, 0)] {
                    let devices = vec![first, KINDS[scenes.len() % 4], last];
                    let stack = stack.clone();
                    scenes.push(Scene { devices, stack, kept, keeps, releases });
                }
            }
        }
    }
    scenes
}

#[test]
fn every_call_of_retain_only_and_run() {
    let stage = Stage::new(3);
    for (name, kept) in [("retain_only", Some(1)), ("run", None)] {
        let mut trials = 0;
        for (turn, scene) in scenes(kept).iter().enumerate() {
            // Drivers differ in whether they return the device of a current context that is destroyed.
            let of_dead = if turn % 2 == 0 { 0 } else { 201 };
            stage.machine.simulator.set_knob(Knob::GetDeviceOnDead, of_dead);
            // Without a fault, each of them; with faults, every so many-th is enough as a rule.
            assert_eq!(sweep(&stage, scene, &[]), 0);
            if turn % 17 == 0 {
                let kinds = Kind::of_turn(turn);
                trials += at_every_call(&kinds, |faults| sweep(&stage, scene, faults));
            }
        }
        assert!(trials > 4_000, "{name}: {trials} trials");
    }
}

/// Each call, and then each later one of what the first fault makes of it.
#[test]
fn every_pair_of_calls_of_retain_only() {
    let stage = Stage::new(3);
    let mut trials = 0;
    for (turn, scene) in scenes(Some(1)).iter().step_by(41).enumerate() {
        let code = |turn: usize| CODES[turn % CODES.len()];
        for (first_done, second_done) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let first = Kind { done: first_done, from_then_on: false, code: code(turn) };
            let second = Kind { done: second_done, code: code(turn / 2 + 4), ..first };
            for call in (1..).take_while(|&call| sweep(&stage, scene, &[first.at(call)]) == 1) {
                let later = (call + 1..).take_while(|&later| {
                    sweep(&stage, scene, &[first.at(call), second.at(later)]) == 2
                });
                trials += later.count();
            }
        }
    }
    assert!(trials > 500, "{trials} trials");
}
