//! Records an operation step by step, and gives the verdict on each step: what is told, against the
//! driver's log of that step's calls.

use cuda_primary_context::{Error, PrimaryContext};

use super::benign::{Place, is_benign};
use super::complaint::{Complaints, Rule};
use super::log::{Entry, POP, PUSH, RELEASE, RETAIN, replay};
use super::stage::{Stage, View};

/// What one step told, and up to which call it went.
struct Step {
    calls: u64,
    told: Telling,
    /// Live handles by the ledger, and by what the operation holds.
    ledger: u32,
    alive: u32,
    unreleased: u64,
}

#[derive(Debug)]
enum Telling {
    /// A `Result`: the first failure ends the step.
    One(Option<Error>),
    /// A list of results: each call has its own.
    Each(Vec<Error>),
    /// A handle was dropped.
    Dropped,
    /// A scope was dropped.
    ScopeDropped,
}

pub struct Recorder<'a> {
    pub stage: &'a Stage,
    alive: u32,
    steps: Vec<Step>,
    lies: Complaints,
}

impl<'a> Recorder<'a> {
    pub fn new(stage: &'a Stage) -> Self {
        Self { stage, alive: 0, steps: Vec::new(), lies: Complaints::default() }
    }

    /// A step that answers.
    pub fn ask<T>(&mut self, action: impl FnOnce() -> Result<T, Error>) -> Option<T> {
        let (value, error) = match action() {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error)),
        };
        self.note(Telling::One(error));
        value
    }

    /// A step that answers with a list.
    pub fn ask_each(&mut self, action: impl FnOnce() -> Vec<Error>) {
        let errors = action();
        self.note(Telling::Each(errors));
    }

    /// A step that answers with a handle.
    pub fn retain(
        &mut self,
        action: impl FnOnce() -> Result<PrimaryContext, Error>,
    ) -> Option<PrimaryContext> {
        self.retain_if(|| action().map(Some)).flatten()
    }

    /// A step that may answer with a handle.
    pub fn retain_if(
        &mut self,
        action: impl FnOnce() -> Result<Option<PrimaryContext>, Error>,
    ) -> Option<Option<PrimaryContext>> {
        let answer = action();
        self.alive += u32::from(matches!(answer, Ok(Some(_))));
        self.ask(|| answer)
    }

    /// Releases a handle, and drops it if it comes back.
    pub fn release(&mut self, context: PrimaryContext) {
        let answer = context.release();
        self.alive -= u32::from(answer.is_ok());
        let (error, back) = match answer {
            Ok(()) => (None, None),
            Err((error, back)) => (Some(error), Some(back)),
        };
        self.note(Telling::One(error));
        if let Some(back) = back {
            self.drop(back);
        }
    }

    pub fn drop(&mut self, context: PrimaryContext) {
        drop(context);
        self.alive -= 1;
        self.note(Telling::Dropped);
    }

    pub fn drop_scope(&mut self, scope: cuda_primary_context::CurrentContext<'_>) {
        drop(scope);
        self.note(Telling::ScopeDropped);
    }

    /// A handle changes hands without a call.
    pub fn alive(&mut self, change: i32) {
        self.alive = self.alive.wrapping_add_signed(change);
    }

    /// What was told must be true.
    pub fn truth(&mut self, holds: bool, text: &str) {
        self.lies.unless(holds, Rule::Truth, || text.into());
    }

    fn note(&mut self, told: Telling) {
        let driver = self.stage.machine.driver;
        self.steps.push(Step {
            calls: self.stage.machine.simulator.total_calls(),
            told,
            ledger: driver.devices().map(|device| device.handles().unwrap()).sum(),
            alive: self.alive,
            unreleased: driver.unreleased(),
        });
    }

    /// Whether no step told a failure.
    pub fn succeeded(&self) -> bool {
        self.steps.iter().all(|step| match &step.told {
            Telling::One(error) => error.is_none(),
            Telling::Each(errors) => errors.is_empty(),
            Telling::Dropped | Telling::ScopeDropped => true,
        })
    }

    /// The verdict on all steps.
    pub fn judge(self, before: &View, after: &View, entries: &[Entry]) -> Complaints {
        let mut complaints = self.lies;
        let held_before: u32 = before.handles.iter().sum();
        let (mut calls, mut unreleased) = (before.calls, before.unreleased);
        let mut rest = entries;
        for step in &self.steps {
            let (of_step, others) = rest.split_at((step.calls - calls) as usize);
            (rest, calls) = (others, step.calls);
            told(&step.told, of_step, step.unreleased - unreleased, &mut complaints);
            unreleased = step.unreleased;
            complaints.unless(step.ledger == held_before + step.alive, Rule::Balance, || {
                format!("the ledger has {} handles, alive are {}", step.ledger, step.alive)
            });
        }
        complaints.unless(rest.is_empty(), Rule::AsDesigned, || format!("by no step: {rest:?}"));
        complaints.unless(before.handles == after.handles, Rule::Balance, || {
            format!("the ledger had {:?}, and has {:?}", before.handles, after.handles)
        });
        references(before, after, entries, &mut complaints);
        stack(before, after, entries, &mut complaints);
        complaints
    }
}

/// Told is what failed, and nothing else.
fn told(telling: &Telling, entries: &[Entry], counted: u64, complaints: &mut Complaints) {
    let place = match telling {
        Telling::One(_) | Telling::Each(_) => Place::Answering,
        Telling::Dropped => Place::DropOfHandle,
        Telling::ScopeDropped => Place::DropOfScope,
    };
    let failed = |entry: &&Entry| entry.failed() && !is_benign(place, entry);
    let failed: Vec<Error> = entries.iter().filter(failed).map(Entry::error).collect();
    let holds = match telling {
        Telling::One(None) => failed.is_empty(),
        Telling::One(Some(error)) => failed == [error.clone()],
        Telling::Each(errors) => failed == *errors,
        Telling::Dropped | Telling::ScopeDropped => failed.len() as u64 == counted,
    };
    complaints.unless(holds, Rule::EveryFailureIsTold, || {
        format!("{telling:?}, {counted} counted as not given back, of {entries:?}")
    });
    // Nothing goes on after a failure that is the answer.
    if let Telling::One(Some(_)) = telling {
        let ends = entries.last().is_some_and(Entry::failed);
        complaints.unless(ends, Rule::AsDesigned, || format!("it went on: {entries:?}"));
    }
}

/// The references of every device are what they were, but for what nobody can help. An operation
/// holds one handle of a device at a time, so that releases belong to the retain before them.
fn references(before: &View, after: &View, entries: &[Entry], complaints: &mut Complaints) {
    let mut replayed = before.references.clone();
    let underflows = replay(&mut replayed, entries);
    complaints.unless(replayed == after.references, Rule::Balance, || {
        format!("the calls leave {replayed:?}, and there are {:?}", after.references)
    });
    let counted = after.underflows - before.underflows;
    complaints.unless(underflows == counted, Rule::Balance, || {
        format!("{counted} releases found no reference, {underflows} by the log")
    });
    for device in 0..before.references.len() as u32 {
        let of_device = |entry: &&Entry| entry.device == Some(device);
        let calls: Vec<&Entry> = entries.iter().filter(of_device).collect();
        let unavoidable = unavoidable(&calls, complaints);
        let index = device as usize;
        let excused = i64::from(before.references[index]) + unavoidable;
        // Without a reference of somebody else to take, the surplus release is refused.
        let excused = excused.max(0);
        complaints.unless(i64::from(after.references[index]) == excused, Rule::Balance, || {
            format!("device {device} has {:?} references, and not {excused}", after.references)
        });
    }
}

/// By how many references these calls may leave a device off: a retain that reports a failure is
/// one too many, a last release that is refused another one; a release that reports a failure hands
/// its handle back, which then gives a reference back again.
fn unavoidable(calls: &[&Entry], complaints: &mut Complaints) -> i64 {
    let mut off = 0;
    // The releases of a handle that is alive, each a failure but perhaps the last.
    let mut attempts: Option<Vec<&Entry>> = None;
    let mut close = |attempts: Option<Vec<&Entry>>| -> i64 {
        let Some(attempts) = attempts else { return 0 };
        let once = match attempts.split_last() {
            Some((_, failed)) => failed.len() < 2 && failed.iter().all(|entry| entry.failed()),
            None => false,
        };
        let rule = if attempts.is_empty() { Rule::Balance } else { Rule::ReleasedOnce };
        complaints.unless(once, rule, || format!("released by {attempts:?}"));
        1 - attempts.iter().filter(|entry| entry.done || !entry.hit).count() as i64
    };
    for &call in calls {
        if call.is(RETAIN) && call.failed() {
            off += i64::from(call.done);
        } else if call.is(RETAIN) {
            off += close(attempts.replace(Vec::new()));
        } else if call.is(RELEASE) {
            match &mut attempts {
                Some(attempts) => attempts.push(call),
                None => off -= 1,
            }
        }
    }
    off + close(attempts)
}

/// The thread's stack is what it was, but for a push that reports a failure and a pop that is
/// refused. Every push that succeeded is popped once.
fn stack(before: &View, after: &View, entries: &[Entry], complaints: &mut Complaints) {
    let count = |function, choose: fn(&Entry) -> bool| {
        entries.iter().filter(|entry| entry.is(function) && choose(entry)).count()
    };
    let pops = count(POP, |_| true);
    complaints.unless(pops == count(PUSH, |entry| !entry.failed()), Rule::Thread, || {
        format!("{pops} pops in {entries:?}")
    });
    let too_many = count(PUSH, |entry| entry.failed() && entry.done) + count(POP, |pop| !pop.done);
    let bottom = before.stack.len();
    let devices = |view: &View| -> Vec<u32> { view.stack.iter().map(|e| e.device).collect() };
    let (old, new) = (devices(before), devices(after));
    let holds = new.len() == bottom + too_many && new[..bottom] == old;
    complaints.unless(holds, Rule::Thread, || format!("the stack was {old:?}, and is {new:?}"));
}
