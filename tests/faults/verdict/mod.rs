//! The verdict on one sweep and the drop of its guard. Each promise is looked at on its own, from the
//! driver's log and from what is so afterwards; `expected` then says what the whole should have been.

mod dropped;
mod references;
mod rows;
mod telling;
mod thread;

use super::complaint::{Complaints, Rule};
use super::expected::expected;
use super::scene::Scene;
use super::trial::Seen;
use super::truth::Truth;
use rows::Rows;

pub fn judge(scene: &Scene, seen: &Seen) -> Complaints {
    let mut complaints = Complaints::default();
    let hits = seen.entries.iter().filter(|entry| entry.hit).count() as u64;
    assert_eq!(hits, seen.fired, "the log and the driver agree on what was hit");
    let Some(told) = &seen.told else {
        complaints.unless(false, Rule::NoPanic, || "the sweep panicked".into());
        return complaints;
    };
    complaints.unless(!seen.drop_panicked, Rule::NoPanic, || "the drop panicked".into());

    let rows = Rows::of(seen);
    match told {
        Ok(told) => {
            telling::calls(scene, seen, &rows, told, &mut complaints);
            telling::failures(seen, &rows, told, &mut complaints);
            telling::states(scene, seen, &rows, told, &mut complaints);
            thread::judge(scene, seen, told, &mut complaints);
            references::as_told(scene, seen, &rows, told, &mut complaints);
        }
        Err(error) => telling::no_guard(scene, seen, error, &mut complaints),
    }
    references::left_alone(scene, seen, &rows, &mut complaints);
    references::undone(scene, seen, &mut complaints);
    references::released_once(scene, &rows, &mut complaints);
    references::balance(seen, &mut complaints);
    dropped::judge(scene, seen, &rows, told.is_ok(), &mut complaints);

    match expected(scene, Truth::of(&seen.before), seen.sweep()) {
        Ok(expected) => complaints.unless(*told == expected, Rule::AsDesigned, || {
            format!("told {told:?}\nexpected {expected:?}")
        }),
        Err(departure) => complaints.unless(false, Rule::AsDesigned, || departure),
    }
    complaints
}
