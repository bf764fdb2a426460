//! The verdict on one call of `retain_only` and the drop of its guard. Each promise is looked at on
//! its own, from the driver's log and counts; `expected` then says what the whole should have been.

use cuda_primary_context::{CurrentContextChange, Device, Error, Outcome};
use simulated_libcuda::StackEntry;

use super::benign::{Place, is_benign};
use super::complaint::{Complaints, Rule};
use super::expected::expected;
use super::log::{Entry, GET_DEVICE, GET_STATE, RELEASE, RETAIN, SET_CURRENT, replay};
use super::scene::{Condition, Scene};
use super::stage::{Stage, View};
use super::told::{Line, Told};
use super::trial::Seen;

pub fn judge(stage: &Stage, scene: &Scene, seen: &Seen) -> Complaints {
    let mut complaints = Complaints::default();
    let hits = seen.entries.iter().filter(|entry| entry.hit).count() as u64;
    assert_eq!(hits, seen.fired, "the log and the driver agree on what was hit");
    let Some(told) = &seen.told else {
        complaints.unless(false, Rule::NoPanic, || "retain_only panicked".into());
        return complaints;
    };
    complaints.unless(!seen.drop_panicked, Rule::NoPanic, || "the drop panicked".into());

    let (sweep, drop) = seen.entries.split_at(seen.boundary);
    failures(sweep, told, &mut complaints);
    if let Ok(told) = told {
        calls(scene, sweep, told, &mut complaints);
        thread(scene, seen, sweep, told, &mut complaints);
    }
    left_alone(scene, seen, sweep, &mut complaints);
    balance(scene, seen, told.as_ref().ok(), &mut complaints);
    dropped(scene, seen, drop, told.is_ok(), &mut complaints);

    let top = seen.before.stack.last().map(|entry| entry.device);
    let driver = stage.machine.driver;
    match expected(driver, scene, &seen.before.references, top, sweep) {
        Ok(expected) => complaints.unless(*told == expected, Rule::AsDesigned, || {
            format!("told {told:?}\nexpected {expected:?}")
        }),
        Err(text) => complaints.unless(false, Rule::AsDesigned, || text),
    }
    complaints
}

/// Every failure that is none by documentation is told, and nothing else is.
fn failures(sweep: &[Entry], told: &Result<Told, Error>, complaints: &mut Complaints) {
    let failed = |entry: &&Entry| entry.failed() && !is_benign(Place::Sweep, entry);
    let failed: Vec<Error> = sweep.iter().filter(failed).map(Entry::error).collect();
    let errors = match told {
        Ok(told) => told.errors(),
        Err(error) => vec![error.clone()],
    };
    let untold = failed.iter().find(|error| !errors.contains(error));
    let invented = errors.iter().find(|error| !failed.contains(error));
    complaints.unless(untold.is_none() && invented.is_none(), Rule::EveryFailureIsTold, || {
        format!("not told: {untold:?}; told, and did not happen: {invented:?}")
    });
    if let Ok(told) = told {
        complaints.unless(
            told.result.is_err() != errors.is_empty(),
            Rule::EveryFailureIsTold,
            || format!("{:?} is the result of {errors:?}", told.result),
        );
    }
}

/// Every device has a line, with its calls as the driver logged them, and was asked for its state.
fn calls(scene: &Scene, sweep: &[Entry], told: &Told, complaints: &mut Complaints) {
    let ordinals = told.lines.iter().map(|line| line.ordinal);
    complaints.unless(ordinals.eq(0..scene.devices()), Rule::NoneIsHidden, || {
        format!("the lines are {:?}", told.lines)
    });
    for device in (0..scene.devices()).filter(|&device| scene.is_other(device)) {
        let asked = |entry: &Entry| entry.is(GET_STATE) && entry.device == Some(device);
        complaints.unless(sweep.iter().any(asked), Rule::NoneIsHidden, || {
            format!("device {device} was not asked for its state")
        });
    }
    for line in &told.lines {
        let for_device = |entry: &&Entry| {
            entry.device == Some(line.ordinal)
                && [RETAIN, GET_STATE, RELEASE].iter().any(|function| entry.is(function))
        };
        let logged = sweep.iter().filter(for_device).map(|entry| (entry.function, entry.code));
        complaints.unless(logged.eq(line.calls.iter().copied()), Rule::EveryCallIsTold, || {
            format!("the report has {:?} for device {}", line.calls, line.ordinal)
        });
    }
}

/// The thread is where the report says, and on no dead context that was alive before.
fn thread(scene: &Scene, seen: &Seen, sweep: &[Entry], told: &Told, complaints: &mut Complaints) {
    let (before, after) = (&seen.before.stack, &seen.between.stack);
    let mut complain = |holds, text: &str| {
        complaints.unless(holds, Rule::Thread, || {
            format!("{text}: {:?}, from {before:?} to {after:?}", told.thread)
        });
    };
    complain(before.len() == after.len(), "the stack grew or shrank");
    let (old, new) = (before.last(), after.last());
    if old.is_some_and(|entry| entry.alive) {
        complain(new.is_some_and(|entry| entry.alive), "the thread is on a dead context");
    }
    let device = |entry: Option<&StackEntry>| entry.map(|entry| entry.device);
    let stayed = device(old) == device(new);
    let to_kept = device(new) == Some(scene.kept);
    // Whether a call that reports a failure did its work all the same, nobody can know.
    let failed_and_done = |to: Option<u32>| {
        let this = |entry: &Entry| entry.device == to && entry.failed() && entry.done;
        sweep.iter().any(|entry| entry.is(SET_CURRENT) && this(entry))
    };
    match &told.thread {
        CurrentContextChange::Unchanged if failed_and_done(Some(scene.kept)) => {
            complain(to_kept, "a failing call moved the thread, and it is elsewhere");
        }
        CurrentContextChange::Unchanged => complain(stayed, "it was changed"),
        CurrentContextChange::Switched { from } => {
            complain(to_kept, "it is not on the kept device");
            complain(is_reason(*from, device(old), sweep), "there was no reason");
            let left = |line: &&Line| from.is_some_and(|from| from.ordinal() == line.ordinal);
            let active = |line: &Line| matches!(line.outcome, Outcome::StillActive { .. });
            let in_vain = told.lines.iter().find(left).is_some_and(active);
            complain(!in_vain, "its own context is active");
        }
        CurrentContextChange::NotRestored(_) => {
            let restored = failed_and_done(device(old));
            complain(if restored { stayed } else { to_kept }, "it is neither here nor there");
        }
        _ => complain(false, "a change that this verdict does not know"),
    }
}

/// Whether the thread had to be moved off its context: its device was released, or nobody could
/// tell which device it was of.
fn is_reason(from: Option<Device>, old: Option<u32>, sweep: &[Entry]) -> bool {
    let called = |function| sweep.iter().filter(move |entry: &&Entry| entry.is(function));
    match from {
        None => called(GET_DEVICE).any(Entry::failed),
        Some(from) => {
            Some(from.ordinal()) == old && called(RELEASE).any(|release| release.device == old)
        }
    }
}

/// Kept and held devices are not released, and nothing is made on any other.
fn left_alone(scene: &Scene, seen: &Seen, sweep: &[Entry], complaints: &mut Complaints) {
    for entry in sweep {
        let Some(device) = entry.device else { continue };
        let holds = match entry.function {
            RETAIN => device == scene.kept,
            GET_STATE => scene.is_other(device),
            RELEASE => scene.is_other(device) && scene.condition(device) != Condition::Held,
            // These are the thread's.
            function => function.starts_with("cuCtx"),
        };
        complaints.unless(holds, Rule::LeftAlone, || format!("{entry:?}"));
    }
    for device in (0..scene.devices()).filter(|&device| device != scene.kept) {
        let untouched = !scene.is_other(device) || scene.condition(device) == Condition::Held;
        let references = |view: &View| view.references[device as usize];
        let (before, after) = (references(&seen.before), references(&seen.after));
        let holds = if untouched { before == after } else { before >= after };
        complaints.unless(holds, Rule::LeftAlone, || {
            format!("device {device} had {before} references and has {after}")
        });
    }
}

/// The references of every device are what its calls leave, and as many were released as is told.
fn balance(scene: &Scene, seen: &Seen, told: Option<&Told>, complaints: &mut Complaints) {
    let mut references = seen.before.references.clone();
    let underflows = replay(&mut references, &seen.entries);
    complaints.unless(references == seen.after.references, Rule::Balance, || {
        format!("the calls leave {references:?}, and there are {:?}", seen.after.references)
    });
    // A release is only ever made of what is active, and a guard's reference is its own.
    let counted = seen.after.underflows - seen.before.underflows;
    complaints.unless(counted == 0 && underflows == 0, Rule::ReleasedOnce, || {
        format!("{counted} releases found no reference")
    });
    for line in told.iter().flat_map(|told| &told.lines) {
        let device = line.ordinal as usize;
        let gone = seen.before.references[device].wrapping_sub(seen.between.references[device]);
        // What a release that reports a failure did all the same is told as a failure.
        let of_line = seen.entries[..seen.boundary].iter().filter(|entry| {
            entry.is(RELEASE) && entry.device == Some(line.ordinal) && entry.failed() && entry.done
        });
        let unknown = of_line.count() as u32;
        let holds = match &line.outcome {
            Outcome::Kept if line.ordinal == scene.kept => gone == 1_u32.wrapping_neg(),
            Outcome::Kept | Outcome::HeldHere { .. } => gone == 0,
            Outcome::AlreadyInactive => gone == unknown,
            Outcome::Released { releases } | Outcome::StillActive { releases } => {
                gone == releases + unknown
            }
            Outcome::Failed(_) => gone <= scene.policy.releases,
            _ => false,
        };
        complaints.unless(holds, Rule::Balance, || {
            format!("{} references of device {device} are gone: {:?}", gone as i32, line.outcome)
        });
    }
}

/// The guard gives its one reference back once, or it is counted; the ledger is what it was.
fn dropped(scene: &Scene, seen: &Seen, drop: &[Entry], held: bool, complaints: &mut Complaints) {
    let kept = scene.kept as usize;
    let handles = |view: &View| view.handles.clone();
    let mut while_held = handles(&seen.before);
    while_held[kept] += u32::from(held);
    complaints.unless(handles(&seen.between) == while_held, Rule::Balance, || {
        format!("the ledger has {:?} while the guard lives", seen.between.handles)
    });
    complaints.unless(handles(&seen.after) == handles(&seen.before), Rule::Balance, || {
        format!("the ledger has {:?} after the guard", seen.after.handles)
    });
    let its_release = |entry: &Entry| entry.is(RELEASE) && entry.device == Some(scene.kept);
    let releases = drop.iter().filter(|entry| its_release(entry)).count();
    complaints.unless(drop.len() == releases && releases <= 1, Rule::ReleasedOnce, || {
        format!("the drop of the guard called {drop:?}")
    });
    complaints.unless(releases == usize::from(held), Rule::Balance, || {
        format!("the drop of the guard called {drop:?}")
    });
    // What nobody can help: a retain that reports a failure, a last release that is refused.
    let lost = seen.entries.iter().filter(|entry| {
        let retained = entry.is(RETAIN) && entry.failed() && entry.done;
        let kept_by_driver = its_release(entry) && entry.failed() && !entry.done;
        entry.device == Some(scene.kept) && (retained || kept_by_driver)
    });
    let lost = lost.count() as u32;
    let (before, after) = (seen.before.references[kept], seen.after.references[kept]);
    complaints.unless(after == before + lost, Rule::Balance, || {
        format!("device {kept} had {before} references and has {after}; {lost} could not be helped")
    });
    let told = |entry: &&Entry| entry.failed() && !is_benign(Place::DropOfHandle, entry);
    let counted = seen.after.unreleased - seen.before.unreleased;
    complaints.unless(
        drop.iter().filter(told).count() as u64 == counted,
        Rule::EveryFailureIsTold,
        || format!("{counted} references are counted as not given back, after {drop:?}"),
    );
    // What is on the stack stays on it, alive or dead.
    let stack = |view: &View| -> Vec<u32> { view.stack.iter().map(|entry| entry.device).collect() };
    complaints.unless(stack(&seen.between) == stack(&seen.after), Rule::Thread, || {
        "the drop of the guard changed the thread's stack".into()
    });
}
