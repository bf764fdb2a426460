//! The drop of the guard: its one reference goes back once, or is counted as one that did not.

use crate::faults::benign::counts_as_unreleased;
use crate::faults::complaint::{Complaints, Rule};
use crate::faults::log::{Entry, GET_STATE, NOT_PERMITTED, RELEASE, RETAIN};
use crate::faults::scene::Scene;
use crate::faults::stage::View;
use crate::faults::trial::Seen;

use super::rows::Rows;

/// `held`: whether there was a report, and so a guard where a device was to be kept.
pub fn judge(scene: &Scene, seen: &Seen, rows: &Rows<'_>, held: bool, complaints: &mut Complaints) {
    let kept = scene.kept.filter(|_| held);
    let mut while_held = seen.before.handles.clone();
    kept.iter().for_each(|&kept| while_held[kept as usize] += 1);
    complaints.unless(seen.between.handles == while_held, Rule::Balance, || {
        format!("the ledger has {:?} while the guard lives", seen.between.handles)
    });
    complaints.unless(seen.after.handles == seen.before.handles, Rule::Balance, || {
        format!("the ledger has {:?} after the guard", seen.after.handles)
    });
    let drop = seen.drop();
    let releases = drop.iter().filter(|entry| entry.is(RELEASE)).count();
    complaints.unless(releases <= 1, Rule::ReleasedOnce, || format!("the drop called {drop:?}"));
    complaints.unless(is_as_designed(kept, drop), Rule::Balance, || {
        format!("the drop of the guard called {drop:?}")
    });
    if let Some(kept) = scene.kept {
        // Where no fault had the driver lie, the device is what it was.
        let references = |view: &View| view.references()[kept as usize];
        let (before, after) = (references(&seen.before), references(&seen.after));
        complaints.unless(rows.is_hit(kept) || before == after, Rule::Balance, || {
            format!("device {kept} had {before} references and has {after}")
        });
        let counted = seen.after.unreleased - seen.before.unreleased;
        let wanted = counts_as_unreleased(drop, seen.after.is_active(kept));
        complaints.unless(counted == u64::from(wanted), Rule::EveryFailureIsTold, || {
            format!("{counted} references are counted as not given back, after {drop:?}")
        });
    }
    complaints.unless(seen.between.contexts() == seen.after.contexts(), Rule::Thread, || {
        "the drop of the guard changed the thread's stack".into()
    });
}

/// One release; the state where that failed, and a retain in place of it where 800 says that a
/// green context lost its reference.
fn is_as_designed(kept: Option<u32>, drop: &[Entry]) -> bool {
    let Some(kept) = kept else { return drop.is_empty() };
    let functions: Vec<&str> = drop.iter().map(|entry| entry.function).collect();
    let wanted: &[&str] = match drop.first().map(|release| release.code) {
        Some(0) => &[RELEASE],
        Some(NOT_PERMITTED) => &[RELEASE, RETAIN],
        _ => &[RELEASE, GET_STATE],
    };
    functions == wanted && drop.iter().all(|entry| entry.device == Some(kept))
}
