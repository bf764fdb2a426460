//! What is told: every call, every failure, and the state of every device as it is now.

use cuda_primary_context::Error;

use crate::faults::benign::{is_answer_about_the_dead, is_benign_release};
use crate::faults::complaint::{Complaints, Rule};
use crate::faults::log::{Entry, GET_CURRENT, GET_STATE, PUSH, RELEASE, RETAIN, SET_CURRENT};
use crate::faults::outcome::{Change, What};
use crate::faults::scene::Scene;
use crate::faults::told::{Line, Told};
use crate::faults::trial::Seen;

use super::rows::Rows;

/// The log's entries that were made for each line, by what the lines say: a line's are a row.
fn entries_of<'a>(scene: &Scene, seen: &'a Seen, told: &'a Told) -> Vec<(&'a Line, &'a [Entry])> {
    let mut rest = seen.sweep();
    let mut retain: &[Entry] = &[];
    if scene.kept.is_some() {
        (retain, rest) = rest.split_at(rest.len().min(1));
    }
    let of_line = |line: &'a Line| {
        if scene.kept == Some(line.ordinal) {
            return (line, retain);
        }
        let (of_line, others) = rest.split_at(line.calls.len().min(rest.len()));
        rest = others;
        (line, of_line)
    };
    told.lines.iter().map(of_line).collect()
}

/// Every device has a line, with every call that was made for it as the driver logged it, those about
/// the thread among them, and was asked for its state.
pub fn calls(
    scene: &Scene,
    seen: &Seen,
    rows: &Rows<'_>,
    told: &Told,
    complaints: &mut Complaints,
) {
    let ordinals = told.lines.iter().map(|line| line.ordinal);
    complaints.unless(ordinals.eq(0..scene.devices()), Rule::NoneIsHidden, || {
        format!("the lines are {:?}", told.lines)
    });
    for device in (0..scene.devices()).filter(|&device| scene.is_other(device)) {
        complaints.unless(!rows.of_device(device).is_empty(), Rule::NoneIsHidden, || {
            format!("device {device} was not asked for its state")
        });
    }
    let mut logged = 0;
    for (line, entries) in entries_of(scene, seen, told) {
        logged += entries.len();
        let of_log = entries.iter().map(|entry| (entry.function, entry.code));
        let of_device = entries.iter().all(|entry| {
            let about_device = [RETAIN, RELEASE, GET_STATE].contains(&entry.function);
            !about_device || entry.device == Some(line.ordinal)
        });
        let holds = of_device && of_log.eq(line.calls.iter().copied());
        complaints.unless(holds, Rule::EveryCallIsTold, || {
            format!("{:?} for device {}, and logged were {entries:?}", line.calls, line.ordinal)
        });
    }
    complaints.unless(logged == seen.boundary, Rule::EveryCallIsTold, || {
        format!("{logged} calls are told, and {} were made", seen.boundary)
    });
}

/// A call that failed and is no failure by documentation makes its device `Failed`, or the thread's
/// context one that was not restored. Nothing else does.
pub fn failures(seen: &Seen, rows: &Rows<'_>, told: &Told, complaints: &mut Complaints) {
    // By the log alone: from the first question about a device to that about the next.
    for line in &told.lines {
        let entries = rows.of_device(line.ordinal);
        let failures: Vec<Error> = failures_of(entries, line.ordinal, seen);
        let of_thread = match &told.thread {
            Change::NotRestored { from, error } if *from == line.ordinal => Some(error),
            _ => None,
        };
        let of_line = line.outcome.error();
        let invented = of_line.into_iter().chain(of_thread).find(|error| !failures.contains(error));
        // An earlier context that was not restored stands for a later one as well.
        let stands_for_it = match &told.thread {
            Change::NotRestored { from, .. } => *from < line.ordinal,
            _ => false,
        };
        let untold = match failures.first() {
            Some(first) if of_line.is_none() && of_thread.is_none() => {
                (!stands_for_it).then_some(first)
            }
            Some(first) if of_line.is_some() && of_line != Some(first) => Some(first),
            _ => None,
        };
        complaints.unless(invented.is_none() && untold.is_none(), Rule::EveryFailureIsTold, || {
            format!("not told: {untold:?}; told, and did not happen: {invented:?}: {line:?}")
        });
    }
    let failed = told.lines.iter().find_map(|line| line.outcome.error());
    let first = failed.or(told.thread.error()).cloned();
    complaints.unless(
        told.result.as_ref().err() == first.as_ref(),
        Rule::EveryFailureIsTold,
        || format!("{:?} is the result of {told:?}", told.result),
    );
}

fn failures_of(entries: &[Entry], device: u32, seen: &Seen) -> Vec<Error> {
    let is_failure = |(index, entry): &(usize, &Entry)| {
        let next = entries.get(index + 1);
        let benign = is_answer_about_the_dead(entry)
            || (entry.is(RELEASE)
                && is_benign_release(entry, next, seen.between.is_active(device)))
            || (entry.device == Some(device) && had_its_effect(entry, next, seen));
        entry.failed() && !benign
    };
    let failures = entries.iter().enumerate().filter(is_failure);
    failures.map(|(_, entry)| entry.error_for(device)).collect()
}

/// Whether a call that was to make a context current again failed, and did its work all the same, as
/// the driver told right after it. A push counts as done, too, where the same context lay beneath.
fn had_its_effect(entry: &Entry, next: Option<&Entry>, seen: &Seen) -> bool {
    let restores = entry.is(SET_CURRENT) || entry.is(PUSH);
    let told = next.is_some_and(|next| next.is(GET_CURRENT) && !next.failed());
    let twice = seen.before.contexts().windows(2).any(|two| two[0] == two[1]);
    restores && told && (entry.reached || (entry.is(PUSH) && twice))
}

/// What a line says of its device is so at the end of the sweep, and was asked for.
pub fn states(
    scene: &Scene,
    seen: &Seen,
    rows: &Rows<'_>,
    told: &Told,
    complaints: &mut Complaints,
) {
    for line in &told.lines {
        let device = line.ordinal;
        let active = seen.between.is_active(device);
        let says = line.outcome.active();
        complaints.unless(says.is_none_or(|says| says == active), Rule::Truth, || {
            format!("{line:?}, and active is {active}")
        });
        let state = rows.of_device(device).iter().rev().find(|entry| entry.is(GET_STATE));
        let unknown = matches!(line.outcome, What::Failed { active: None, .. });
        let was_told = state.is_some_and(|state| !state.failed());
        complaints.unless(!unknown || !was_told, Rule::Truth, || {
            format!("the driver told the state: {line:?}")
        });
        // After a release that failed only the driver can say what is so.
        let calls = rows.of_device(device);
        let failed = calls.iter().rposition(|entry| entry.is(RELEASE) && entry.failed());
        let asked = failed.is_none_or(|failed| {
            calls[failed..].iter().any(|entry| entry.is(GET_STATE) || entry.is(RETAIN))
        });
        complaints.unless(asked, Rule::Truth, || format!("not asked after a failure: {line:?}"));
        let kept = match line.outcome {
            What::Kept => scene.kept == Some(device),
            What::LeftAlone => scene.kept != Some(device) && !scene.is_other(device),
            _ => scene.is_other(device),
        };
        complaints.unless(kept, Rule::Truth, || format!("{line:?} in {scene:?}"));
        let handles = seen.between.handles[device as usize];
        let held = match line.outcome {
            What::HeldHere { handles: told } => told == handles,
            _ => true,
        };
        complaints.unless(held, Rule::Truth, || format!("{line:?}, and handles are {handles}"));
    }
}

/// Without a guard there was one call: the retain, which failed.
pub fn no_guard(scene: &Scene, seen: &Seen, error: &Error, complaints: &mut Complaints) {
    let is_told = match (scene.kept, seen.sweep()) {
        (Some(kept), [retain]) => retain.is_for(RETAIN, kept) && *error == retain.error_for(kept),
        _ => false,
    };
    complaints
        .unless(is_told, Rule::EveryFailureIsTold, || format!("{error:?} of {:?}", seen.sweep()));
}
