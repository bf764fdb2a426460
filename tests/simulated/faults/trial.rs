//! One operation with these faults, and what must hold afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use cuda_primary_context::Error;

use super::Injection;
use super::scene::{Scene, Stage};
use crate::support::{GET_STATE, RELEASE, RETAIN};

/// Codes of a release or retain that this crate takes for more than a failure: there is nothing to give back
/// (3, 4, 201), or a green context's reference was taken (800).
const MEANINGFUL: [u32; 4] = [3, 4, 201, 800];

/// One call, as the driver logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub function: &'static str,
    pub device: Option<u32>,
    pub code: u32,
    /// The fault that decided the code, if one did.
    pub hit: Option<Injection>,
}

impl Entry {
    pub fn is(&self, function: &str, device: u32) -> bool {
        self.function == function && self.device == Some(device)
    }

    pub fn failed(&self) -> bool {
        self.code != 0
    }

    pub fn is_reported_by(&self, error: &Error) -> bool {
        let same_code = error.code().is_some_and(|code| code.0 == self.code);
        let is_of_a_device = self.function.starts_with("cuDevice");
        let same_device = !is_of_a_device || error.device() == self.device;
        error.call() == Some(self.function) && same_code && same_device
    }

    /// How many references to this device may be gone, or more, other than the driver reported to this crate.
    fn doubt_about(&self, device: u32) -> u64 {
        let Some(hit) = self.hit else { return 0 };
        match (self.is(RELEASE, device), self.is(RETAIN, device)) {
            // Neither was it taken, nor was there anything to give back.
            (true, _) if hit.kind.code == 800 && !hit.kind.done => 2,
            (true, _) => u64::from(hit.kind.done || MEANINGFUL.contains(&hit.kind.code)),
            (_, is_retain) => u64::from(is_retain && hit.kind.done),
        }
    }
}

/// What an operation reports.
#[derive(Debug, Default)]
pub struct Reported {
    pub errors: Vec<Error>,
    /// References of others that it says it released, by device.
    pub releases: Vec<u32>,
    /// Handles that it dropped, whose failures nobody reports.
    pub dropped: bool,
}

impl Reported {
    /// The value, or its error is noted.
    pub fn value<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }
}

/// What can be seen from outside at one moment.
struct View {
    references: Vec<u32>,
    handles: Vec<u32>,
    unreleased: u64,
}

impl View {
    fn of(stage: &Stage) -> Self {
        let machine = &stage.machine;
        Self {
            references: machine.references(),
            handles: machine.driver.devices().map(|device| device.handles().unwrap()).collect(),
            unreleased: machine.driver.unreleased(),
        }
    }
}

/// A trial that has been run.
struct Trial<'a> {
    before: View,
    after: View,
    entries: &'a [Entry],
    reported: Reported,
}

/// Runs the operation on the device, with these faults; returns how many calls they hit. Afterwards every
/// handle that the operation made is gone.
pub fn run(
    stage: &Stage,
    scene: &Scene,
    faults: &[Injection],
    device: u32,
    operation: impl FnOnce(&Stage, u32) -> Reported,
) -> usize {
    stage.set(scene);
    let before = View::of(stage);
    let simulator = &stage.machine.simulator;
    simulator.clear_calls();
    faults.iter().for_each(|fault| simulator.inject(fault.fault()));
    simulator.record_calls(true);
    let reported = catch_unwind(AssertUnwindSafe(|| operation(stage, device)));
    simulator.record_calls(false);
    simulator.clear_faults();
    let entries = entries(stage, faults);
    let hits = entries.iter().filter(|entry| entry.hit.is_some()).count();
    let checked = reported.and_then(|reported| {
        let trial = Trial { before, after: View::of(stage), entries: &entries, reported };
        catch_unwind(AssertUnwindSafe(|| trial.check(device)))
    });
    if let Err(panic) = checked {
        eprintln!("device {device} of {scene:?} with {faults:?}: {entries:?}");
        resume_unwind(panic);
    }
    hits
}

/// The calls that the driver has recorded so far.
pub fn entries(stage: &Stage, faults: &[Injection]) -> Vec<Entry> {
    let calls = stage.machine.simulator.calls().into_iter().zip(1..);
    let entries = calls.map(|(call, number)| {
        let hit = faults.iter().find(|fault| fault.hits(number)).copied();
        Entry { function: call.function, device: call.device, code: call.code, hit }
    });
    entries.collect()
}

impl Trial<'_> {
    fn check(&self, device: u32) {
        self.references_balance(device);
        self.failures_are_reported();
        assert_eq!(self.before.handles, self.after.handles, "handles");
    }

    /// As many references are gone as the operation says, but for what a fault made the driver lie about.
    fn references_balance(&self, device: u32) {
        for other in 0..self.before.references.len() {
            let of = |view: &View| i64::from(view.references[other]);
            let gone = of(&self.before) - of(&self.after);
            let mut said = i64::from(self.reported.releases.get(other).copied().unwrap_or(0));
            if other == device as usize {
                // Neither given back nor lost: it is counted.
                said -= (self.after.unreleased - self.before.unreleased) as i64;
            }
            let doubts: u64 =
                self.entries.iter().map(|entry| entry.doubt_about(other as u32)).sum();
            assert!(
                (gone - said).unsigned_abs() <= doubts,
                "{gone} references to device {other} are gone, and {said} were reported"
            );
        }
    }

    /// The first failure that a fault caused is reported, or is none by documentation; and no failure is
    /// reported that did not happen.
    fn failures_are_reported(&self) {
        for error in &self.reported.errors {
            let happened = self.entries.iter().any(|entry| entry.is_reported_by(error));
            assert!(happened || is_of_its_own(error), "{error} did not happen");
        }
        let Some(index) = self.entries.iter().position(|entry| entry.hit.is_some()) else { return };
        let entry = &self.entries[index];
        let mut errors = self.reported.errors.iter();
        let is_reported = errors.any(|error| entry.is_reported_by(error) || is_of_its_own(error));
        assert!(is_reported || self.is_benign(index), "nobody reported {entry:?}");
    }

    /// Whether the documentation says of this failing call that it is no failure.
    fn is_benign(&self, index: usize) -> bool {
        let entry = &self.entries[index];
        let next = self.entries.get(index + 1);
        let next_is = |function: &str| next.is_some_and(|next| next.function == function);
        let before = index.checked_sub(1).map(|before| &self.entries[before]);
        let follows_a_failure = before.is_some_and(Entry::failed);
        let is_known = next_is(GET_STATE) && next.is_some_and(|next| !next.failed());
        let is_undone = self.entries.get(index + 2).is_some_and(|undo| undo.function == RETAIN);
        match entry.function {
            // What is reported is the failure that led to the question.
            GET_STATE | "cuCtxGetCurrent" => follows_a_failure,
            // The context is destroyed.
            "cuCtxGetDevice" | "cuCtxGetApiVersion" => [201, 709].contains(&entry.code),
            // It had its effect all the same, as the driver said at once.
            "cuCtxSetCurrent" | "cuCtxPushCurrent_v2" => next_is("cuCtxGetCurrent"),
            "cuCtxPopCurrent_v2" => self.reported.dropped,
            // It is undone, or somebody else released the last reference.
            RELEASE if entry.code == 800 && is_undone => true,
            RELEASE if entry.code == 201 && is_known => true,
            RELEASE => {
                let is_counted = self.after.unreleased > self.before.unreleased;
                let nothing_is_owed = MEANINGFUL.contains(&entry.code) || is_known;
                self.reported.dropped && (is_counted || nothing_is_owed)
            }
            _ => false,
        }
    }
}

/// Whether the error is of its own kind, and names the call by that.
fn is_of_its_own(error: &Error) -> bool {
    matches!(error.kind(), "unknown_device" | "not_current")
}
