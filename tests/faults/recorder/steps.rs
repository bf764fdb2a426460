//! The verdict on each step: what is told, against the driver's log of that step's calls.

use cuda_primary_context::Error;

use super::{Recorder, Step, Telling};
use crate::faults::benign::{
    counts_as_unreleased, is_code_of_nothing_to_give_back, is_known_to_be_inactive, tells,
};
use crate::faults::complaint::{Complaints, Rule};
use crate::faults::log::{
    Entry, GET_STATE, INVALID_CONTEXT, NOT_PERMITTED, POP, PUSH, RELEASE, RETAIN,
};
use crate::faults::stage::View;
use crate::faults::truth::{Context, Truth};

impl Recorder<'_> {
    /// The verdict on all steps.
    pub fn judge(self, before: &View, after: &View, entries: &[Entry]) -> Complaints {
        let mut complaints = self.lies;
        let held_before: u32 = before.handles.iter().sum();
        let (mut calls, mut unreleased) = (before.calls, before.unreleased);
        let mut truth = Truth::of(before);
        let mut rest = entries;
        for step in &self.steps {
            let (of_step, others) = rest.split_at((step.calls - calls) as usize);
            (rest, calls) = (others, step.calls);
            told(step, of_step, &mut complaints);
            let counted = step.unreleased - unreleased;
            unreleased = step.unreleased;
            complaints.unless(
                counted == may_count(step, of_step),
                Rule::EveryFailureIsTold,
                || format!("{counted} counted as not given back by {:?} of {of_step:?}", step.told),
            );
            complaints.unless(step.ledger == held_before + step.alive, Rule::Balance, || {
                format!("the ledger has {} handles, alive are {}", step.ledger, step.alive)
            });
            match step.told {
                Telling::Others { device, retained: true } => truth.retain(device),
                Telling::Others { device, .. } => {
                    truth.release(device);
                }
                _ => truth.replay(of_step),
            }
        }
        complaints.unless(rest.is_empty(), Rule::AsDesigned, || format!("by no step: {rest:?}"));
        complaints.unless(before.handles == after.handles, Rule::Balance, || {
            format!("the ledger had {:?}, and has {:?}", before.handles, after.handles)
        });
        complaints.unless(truth.primaries == after.primaries, Rule::Balance, || {
            format!("the calls leave {:?}, there are {:?}", truth.primaries, after.primaries)
        });
        complaints.unless(truth.underflows == after.underflows, Rule::Balance, || {
            let (logged, counted) = (truth.underflows, after.underflows);
            format!("{counted} releases found no reference, {logged} by the log")
        });
        unchanged(&self.steps, before, after, entries, &mut complaints);
        stack(before, after, entries, &mut complaints);
        complaints
    }
}

/// Told is what failed, and nothing else. A handle's end is one release, and what has to follow it.
fn told(step: &Step, entries: &[Entry], complaints: &mut Complaints) {
    let failed: Vec<&Entry> = entries.iter().filter(|entry| entry.failed()).collect();
    let errors = failed.iter().map(|entry| entry.error());
    let holds = match &step.told {
        Telling::One(None) => failed.is_empty(),
        Telling::One(Some(error)) => matches!(*failed, [one] if tells(error, one)),
        Telling::Each(told) => errors.eq(told.iter().cloned()),
        Telling::Released { device, error, came_back } => {
            let active = step.active[*device as usize];
            of_release(entries).as_ref() == error.as_ref()
                && *came_back == still_owes(entries, active)
        }
        // There is nobody to report to: what was not given back is counted.
        Telling::Dropped { .. } | Telling::ScopeDropped => true,
        Telling::GivenUp { .. } | Telling::Others { .. } => entries.is_empty(),
    };
    complaints
        .unless(holds, Rule::EveryFailureIsTold, || format!("{:?} of {entries:?}", step.told));
    // Nothing goes on after a failure that is the answer.
    if let Telling::One(Some(_)) = step.told {
        let ends = entries.last().is_some_and(Entry::failed);
        complaints.unless(ends, Rule::AsDesigned, || format!("it went on: {entries:?}"));
    }
    let releases = entries.iter().filter(|entry| entry.is(RELEASE)).count();
    let (wanted, as_designed) = match step.told {
        Telling::Released { device, .. } | Telling::Dropped { device } => {
            (1, is_end_of_handle(entries, device))
        }
        _ => (0, true),
    };
    complaints.unless(releases == wanted, Rule::ReleasedOnce, || {
        format!("{:?} made {releases} releases", step.told)
    });
    complaints.unless(as_designed, Rule::AsDesigned, || format!("{:?} of {entries:?}", step.told));
}

/// One release; the state where that failed, or after 800 a retain.
fn is_end_of_handle(entries: &[Entry], device: u32) -> bool {
    let wanted: &[&str] = match entries.first().map(|release| release.code) {
        Some(0) => &[RELEASE],
        Some(NOT_PERMITTED) => &[RELEASE, RETAIN],
        _ => &[RELEASE, GET_STATE],
    };
    let functions = entries.iter().map(|entry| entry.function);
    functions.eq(wanted.iter().copied()) && entries.iter().all(|e| e.device == Some(device))
}

/// The error of a release: its own, or after 800 that of the retain.
fn of_release(entries: &[Entry]) -> Option<Error> {
    let [release, rest @ ..] = entries else { return None };
    match (release.code, rest.first()) {
        (NOT_PERMITTED, Some(undo)) => undo.failed().then(|| undo.error()),
        (0, _) => None,
        _ => Some(release.error()),
    }
}

/// Whether the handle comes back: unless it was taken, or the driver told that nothing is there.
fn still_owes(entries: &[Entry], active: bool) -> bool {
    let Some(release) = entries.first() else { return false };
    let taken = matches!(release.code, 0 | NOT_PERMITTED);
    !taken && !is_known_to_be_inactive(entries, active)
}

/// How many references the step counts as not given back.
fn may_count(step: &Step, entries: &[Entry]) -> u64 {
    u64::from(match &step.told {
        Telling::Dropped { device } => counts_as_unreleased(entries, step.active[*device as usize]),
        Telling::GivenUp { error, handle } => {
            let code = error.code().map(|code| code.0);
            *handle && !code.is_some_and(is_code_of_nothing_to_give_back)
        }
        _ => false,
    })
}

/// The references of a device about which no call lied are what they were, but for what others did,
/// what nobody held any more, and what a green context got back.
fn unchanged(
    steps: &[Step],
    before: &View,
    after: &View,
    entries: &[Entry],
    complaints: &mut Complaints,
) {
    for device in 0..before.primaries.len() as u32 {
        let of_device = |entry: &&Entry| entry.device == Some(device);
        let calls: Vec<&Entry> = entries.iter().filter(of_device).collect();
        if calls.iter().any(|entry| entry.hit) {
            continue;
        }
        let by_others = steps.iter().map(|step| match step.told {
            Telling::Others { device: of, retained } if of == device => {
                if retained {
                    1
                } else {
                    -1
                }
            }
            _ => 0,
        });
        let releases = || calls.iter().filter(|entry| entry.is(RELEASE) || entry.is(RETAIN));
        let undone = releases().filter(|entry| entry.code == NOT_PERMITTED).count();
        // A handle whose reference others took is refused, and once more where it came back.
        let codes: Vec<u32> = releases().map(|entry| entry.code).collect();
        let refused = codes.chunk_by(|one, two| one == two);
        let refused = refused.filter(|same| same[0] == INVALID_CONTEXT).count();
        let change = by_others.sum::<i64>() + (undone + refused) as i64;
        let references = |view: &View| i64::from(view.primaries[device as usize].references);
        let (old, new) = (references(before), references(after));
        complaints.unless(new == old + change, Rule::Balance, || {
            format!("device {device} had {old} references, {change} are excused, and has {new}")
        });
    }
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
    let too_many =
        count(PUSH, |entry| entry.failed() && entry.reached) + count(POP, |pop| !pop.reached);
    let (old, new): (Vec<Context>, Vec<Context>) = (before.contexts(), after.contexts());
    let holds = new.len() == old.len() + too_many && new[..old.len()] == old;
    complaints.unless(holds, Rule::Thread, || format!("the stack was {old:?}, and is {new:?}"));
}
