//! What a run has to say about the devices that it did not find inactive.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::driver::holders::Holder;
use crate::error::Error;
use crate::retain_only::outcome::{CurrentContextChange, Outcome};

#[derive(Debug, Clone)]
pub(super) struct Findings {
    /// Of such devices, in the order of their ordinals.
    pub(super) lines: Vec<Line>,
    /// The calls made for those devices, line by line.
    calls: Vec<Call>,
    /// Who held a device, by ordinal. Empty without a witness.
    pub(super) holders: BTreeMap<u32, Vec<Holder>>,
    pub(super) current_context: CurrentContextChange,
}

/// What is known of one device.
#[derive(Debug, Clone)]
pub(super) struct Line {
    device: Device,
    /// Which of the findings' calls were made for it.
    calls: Range<usize>,
    pub(super) outcome: Outcome,
    pub(super) taken_before: u32,
}

impl Findings {
    pub(super) fn with_room_for(devices: usize) -> Self {
        Self {
            lines: Vec::with_capacity(devices),
            // A stray device usually has three calls; those about the thread come once.
            calls: Vec::with_capacity(3 * devices + 6),
            holders: BTreeMap::new(),
            current_context: CurrentContextChange::Unchanged,
        }
    }

    /// Records a call for the device whose line is added next.
    pub(super) fn record(&mut self, call: Call) {
        self.calls.push(call);
    }

    /// Adds the line of a device beyond those added so far, with the calls recorded since.
    pub(super) fn add(&mut self, device: Device, outcome: Outcome) {
        let begin = self.lines.last().map_or(0, |before| before.calls.end);
        let calls = begin..self.calls.len();
        let taken_before = device.count_released(outcome.releases());
        self.lines.push(Line { device, calls, outcome, taken_before });
    }

    /// The thread's context of this device was destroyed. If more than one is popped off a stack, it is the
    /// first that was current.
    #[cold]
    pub(super) fn switched(&mut self, from: Device) {
        if self.current_context == CurrentContextChange::Unchanged {
            self.current_context = CurrentContextChange::Switched { from };
        }
    }

    /// The thread's context of this device is alive, and is not current. No later success hides that.
    #[cold]
    pub(super) fn not_restored(&mut self, from: Device, error: Error) {
        if self.current_context.error().is_none() {
            self.current_context = CurrentContextChange::NotRestored { from, error };
        }
    }

    /// Who held the device that was dealt with last, and how many references of each the run released: in
    /// all no more than it released, because others may have released some meanwhile; and not that of a
    /// green context which got it back, which the witness counts as this program's.
    pub(super) fn held(&mut self, device: Device, mut before: Vec<Holder>, after: &[Holder]) {
        let outcome = self.line(device).map(|(line, _)| &line.outcome);
        let given_back = matches!(outcome, Some(Outcome::HeldByGreenContext { .. }));
        let mut released = outcome.map_or(0, Outcome::releases);
        for holder in &mut before {
            let same = after.iter().find(|other| other.library == holder.library);
            let left = same.map_or((0, 0), |same| (same.references, same.green_contexts));
            let green = match given_back {
                true => 0,
                false => holder.green_contexts.saturating_sub(left.1),
            };
            let gone = holder.references.saturating_sub(left.0).saturating_add(green);
            holder.taken = gone.min(released);
            released -= holder.taken;
        }
        self.holders.insert(device.ordinal(), before);
    }

    pub(super) fn line(&self, device: Device) -> Option<(&Line, &[Call])> {
        let line = self.lines.iter().find(|line| line.device == device)?;
        Some((line, &self.calls[line.calls.clone()]))
    }
}
