//! The thread's stack of contexts: what survives is current afterwards, what was destroyed is
//! replaced, and the report says so.

use crate::faults::complaint::{Complaints, Rule};
use crate::faults::log::{
    DESTROYED, Entry, GET_API_VERSION, GET_CURRENT, GET_DEVICE, POP, PUSH, SET_CURRENT,
};
use crate::faults::outcome::Change;
use crate::faults::scene::Scene;
use crate::faults::told::Told;
use crate::faults::trial::Seen;
use crate::faults::truth::Context;

pub fn judge(scene: &Scene, seen: &Seen, told: &Told, complaints: &mut Complaints) {
    let (before, after) = (seen.before.contexts(), seen.between.contexts());
    let (old, new) = (before.last().copied(), after.last().copied());
    let was_alive = seen.before.stack.last().is_some_and(|top| top.alive);
    let lives = |context: Context| !context.primary || seen.between.is_active(context.device);
    let survives = old.is_some_and(lives);
    let failed = |function| {
        let calls = seen.sweep().iter().filter(move |entry| entry.is(function));
        calls.filter(|entry| entry.failed()).collect::<Vec<_>>()
    };
    let mut complain = |holds, text: &str| {
        complaints.unless(holds, Rule::Thread, || {
            format!("{text}: {:?}, from {before:?} to {after:?}", told.thread)
        });
    };

    complain(depth_is_right(scene, seen, &told.thread), "the stack grew or shrank");
    // That a living context is dead, only a fault makes the driver say.
    let lied = |function| {
        failed(function).iter().any(|entry| entry.hit && DESTROYED.contains(&entry.code))
    };
    match &told.thread {
        Change::Unchanged => {
            complain(old == new, "it was changed");
            let died = was_alive && !survives;
            complain(!died || lied(GET_DEVICE), "it was destroyed");
        }
        Change::Switched { from } => {
            complain(first_dead(seen.sweep()) == Some(*from), "it was another that was destroyed");
            let wrongly = old.is_some_and(|old| old.device == *from) && survives;
            complain(!wrongly || lied(GET_API_VERSION), "it is alive");
        }
        Change::NotRestored { from, .. } => {
            let reasons = [SET_CURRENT, PUSH, GET_API_VERSION].map(failed);
            complain(reasons.iter().any(|calls| !calls.is_empty()), "there is no reason");
            // The same context may lie beneath the one that was popped.
            let is_back = new.is_some_and(|new| new.device == *from) && before == after;
            complain(!is_back || !failed(GET_CURRENT).is_empty(), "it is current");
        }
    }
    if let (Some(kept), true) = (scene.kept, was_alive) {
        // On its own, or on the kept one: never on a dead one by our hand.
        let on_kept = new == Some(Context { device: kept, primary: true });
        complain(old == new || on_kept, "it is neither here nor there");
        complain(new.is_some_and(lives) || lied(GET_DEVICE), "the thread is on a dead context");
    }
}

/// The device of the first context that was left and then found destroyed.
fn first_dead(sweep: &[Entry]) -> Option<u32> {
    let dead = |entry: &&Entry| entry.is(GET_API_VERSION) && DESTROYED.contains(&entry.code);
    sweep.iter().find(dead).and_then(|entry| entry.device)
}

/// With a guard a context stands in another's place, and the depth stays. A run takes those off that
/// were destroyed or not restored; one whose call lied about its effect may be one more or fewer.
fn depth_is_right(scene: &Scene, seen: &Seen, change: &Change) -> bool {
    let (before, after) = (seen.before.stack.len(), seen.between.stack.len());
    if scene.kept.is_some() {
        return before == after;
    }
    let called = |function| seen.sweep().iter().filter(move |entry| entry.is(function));
    let pops = called(POP).filter(|pop| pop.reached).count();
    let pushes = called(PUSH).filter(|push| push.reached).count();
    let as_logged = after + pops == before + pushes;
    let lied = called(POP).chain(called(PUSH)).any(|entry| entry.hit);
    as_logged && (*change != Change::Unchanged || before == after || lied)
}
