//! The references: what is so is what the calls left, and what is told is what is so.

use crate::faults::complaint::{Complaints, Rule};
use crate::faults::log::{Entry, NOT_PERMITTED, RELEASE, RETAIN};
use crate::faults::scene::Scene;
use crate::faults::stage::View;
use crate::faults::told::Told;
use crate::faults::trial::Seen;
use crate::faults::truth::{Primary, Truth};

use super::rows::Rows;

/// Kept and held devices are not touched, and nothing is made on any other.
pub fn left_alone(scene: &Scene, seen: &Seen, rows: &Rows<'_>, complaints: &mut Complaints) {
    for (index, entry) in seen.sweep().iter().enumerate() {
        let Some(device) = entry.device else { continue };
        let holds = match entry.function {
            RETAIN if scene.kept == Some(device) => index == 0,
            RETAIN => undoes(rows.of_device(device)),
            RELEASE => scene.is_other(device) && scene.condition(device).handles(device) == 0,
            function if function.starts_with("cuDevicePrimaryCtx") => scene.is_other(device),
            // These are the thread's.
            _ => true,
        };
        complaints.unless(holds, Rule::LeftAlone, || format!("{entry:?}"));
    }
    for device in (0..scene.devices()).filter(|&device| scene.kept != Some(device)) {
        let held = scene.condition(device).handles(device) > 0;
        let place = device as usize;
        let (before, after) = (seen.before.primaries[place], seen.after.primaries[place]);
        let holds = match held || !scene.is_other(device) {
            true => before == after,
            false => before.references >= after.references || rows.is_hit(device),
        };
        complaints.unless(holds, Rule::LeftAlone, || {
            format!("device {device} was {before:?} and is {after:?}")
        });
    }
}

/// Whether a release answered 800, so that there is something to undo.
fn undoes(row: &[Entry]) -> bool {
    row.iter().any(|entry| entry.is(RELEASE) && entry.code == NOT_PERMITTED)
}

/// After 800 the device is retained once, at once.
pub fn undone(scene: &Scene, seen: &Seen, complaints: &mut Complaints) {
    for (index, entry) in seen.entries.iter().enumerate() {
        let refused = |entry: &Entry| entry.is(RELEASE) && entry.code == NOT_PERMITTED;
        let retains = |other: &Entry| other.is(RETAIN) && other.device == entry.device;
        if refused(entry) {
            let undone = seen.entries.get(index + 1).is_some_and(retains);
            complaints.unless(undone, Rule::Undone, || format!("not undone at once: {entry:?}"));
        }
        let is_other = entry.device.is_some_and(|device| scene.is_other(device));
        if entry.is(RETAIN) && is_other {
            let before = index.checked_sub(1).map(|index| &seen.entries[index]);
            let has_reason =
                before.is_some_and(|before| refused(before) && before.device == entry.device);
            complaints.unless(has_reason, Rule::Undone, || format!("nothing to undo: {entry:?}"));
        }
    }
}

/// No more releases of a device than the policy allows, and none after one that failed.
pub fn released_once(scene: &Scene, rows: &Rows<'_>, complaints: &mut Complaints) {
    for device in 0..scene.devices() {
        let releases = rows.of_device(device).iter().filter(|entry| entry.is(RELEASE));
        let releases: Vec<&Entry> = releases.collect();
        let within = releases.len() <= scene.policy.releases as usize;
        let ends = releases.iter().rev().skip(1).all(|release| !release.failed());
        complaints.unless(within && ends, Rule::ReleasedOnce, || format!("{releases:?}"));
    }
}

/// The references and states are what the calls leave.
pub fn balance(seen: &Seen, complaints: &mut Complaints) {
    let mut truth = Truth::of(&seen.before);
    truth.replay(&seen.entries);
    complaints.unless(truth.primaries == seen.after.primaries, Rule::Balance, || {
        format!("the calls leave {:?}, and there are {:?}", truth.primaries, seen.after.primaries)
    });
    complaints.unless(truth.underflows == seen.after.underflows, Rule::Balance, || {
        let (logged, counted) = (truth.underflows, seen.after.underflows);
        format!("{counted} releases found no reference, {logged} by the log")
    });
}

/// As many references are gone as the line says, but for what a fault had the driver lie about.
pub fn as_told(
    scene: &Scene,
    seen: &Seen,
    rows: &Rows<'_>,
    told: &Told,
    complaints: &mut Complaints,
) {
    for line in &told.lines {
        let device = line.ordinal;
        let references = |view: &View| i64::from(view.primaries[device as usize].references);
        let gone = references(&seen.before) - references(&seen.between);
        let says = i64::from(line.outcome.releases()) - i64::from(scene.kept == Some(device));
        let lies = lies(rows.of_device(device), seen.before.primaries[device as usize]);
        complaints.unless(gone == says + lies, Rule::Balance, || {
            format!("{gone} references are gone, {lies} of them unknowable: {line:?}")
        });
    }
}

/// How many references more are gone than the answers say: of a release that reports a failure and
/// took one, of one that says it took a green context's and did not, of a retain likewise.
fn lies(row: &[Entry], before: Primary) -> i64 {
    let mut truth = Truth { primaries: vec![before], stack: Vec::new(), underflows: 0 };
    let mut off = 0;
    for entry in row.iter().filter(|entry| entry.is(RELEASE) || entry.is(RETAIN)) {
        let references = i64::from(truth.primary(0).references);
        truth.replay(&[Entry { device: Some(0), ..entry.clone() }]);
        let gone = references - i64::from(truth.primary(0).references);
        let says = match entry.function {
            RETAIN => -i64::from(!entry.failed()),
            _ => i64::from(!entry.failed() || entry.code == NOT_PERMITTED),
        };
        off += if entry.hit { gone - says } else { 0 };
    }
    off
}
