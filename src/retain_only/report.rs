//! What a release did, device by device and call by call.

use crate::driver::Driver;
use crate::driver::calls::Callee;
use crate::driver::device::Device;
use crate::driver::holders::Holder;
use crate::driver::uuid::Uuid;
use crate::error::Error;
use crate::retain_only::outcome::{CurrentContextChange, Outcome};
use crate::retain_only::table::summary;
use crate::sys::CUresult;

/// What [`retain_only`](crate::PrimaryContextGuard::retain_only) did: one line for every device in
/// the order of the ordinals, the driver calls that were made, and what became of the calling
/// thread's current context.
///
/// Displayed as its [`summary`](Self::summary) and a table. Displaying or serialising it makes no driver
/// call.
#[derive(Clone)]
pub struct Report {
    driver: Driver,
    kept: Option<Device>,
    /// Nothing, and no allocation, where every device but the kept one was inactive.
    findings: Option<Box<Findings>>,
}

/// What there is to say where a device was not inactive at once.
#[derive(Debug, Clone)]
pub(super) struct Findings {
    /// Of such devices, in the order of their ordinals.
    lines: Vec<Line>,
    /// The calls made for those devices, line by line.
    calls: Vec<Answer>,
    /// By ordinal, and only where there is a witness.
    holders: Vec<(u32, Vec<Holder>)>,
    current_context: CurrentContextChange,
}

/// What is known of one device, and where its calls end: they begin where those of the line before do.
#[derive(Debug, Clone)]
struct Line {
    ordinal: u32,
    calls_end: usize,
    outcome: Outcome,
    taken_before: u32,
}

/// A [`Call`] as it is kept: a third of the size.
type Answer = (Callee, CUresult);

/// One driver call and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Call {
    /// The C function, by its exact name.
    pub function: &'static str,
    /// What it answered.
    pub code: CUresult,
}

/// The line of one device.
#[derive(Clone, Copy)]
pub struct DeviceReport<'a> {
    device: Device,
    outcome: &'a Outcome,
    calls: &'a [Answer],
    holders: Option<&'a [Holder]>,
    taken_before: u32,
}

/// The kept device's line, and that of a device that was asked for its state and was inactive: their
/// calls are always the same, so that they are not recorded one by one.
static KEPT: (Outcome, [Answer; 1]) = (Outcome::Kept, [(Callee::Retain, CUresult::CUDA_SUCCESS)]);
static INACTIVE: (Outcome, [Answer; 1]) =
    (Outcome::AlreadyInactive, [(Callee::GetState, CUresult::CUDA_SUCCESS)]);

static UNCHANGED: CurrentContextChange = CurrentContextChange::Unchanged;

impl Drop for Report {
    /// As a rule there is nothing to drop, and then no function is called for it.
    #[inline]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn discard(findings: Box<Findings>) {
            drop(findings);
        }
        if let Some(findings) = self.findings.take() {
            discard(findings);
        }
    }
}

impl Findings {
    /// With room for what so many devices bring as a rule.
    pub(super) fn with_room_for(devices: usize) -> Self {
        Self {
            lines: Vec::with_capacity(devices),
            // A stray device has three calls as a rule, the thread's questions and moves come once.
            calls: Vec::with_capacity(3 * devices + 6),
            holders: Vec::new(),
            current_context: CurrentContextChange::Unchanged,
        }
    }

    /// Records a call for the device whose line is added next.
    #[inline]
    pub(super) fn record(&mut self, function: Callee, code: CUresult) {
        self.calls.push((function, code));
    }

    /// Adds the line of a device beyond those added so far, with the calls recorded since.
    #[inline]
    pub(super) fn add(&mut self, device: Device, outcome: Outcome) {
        let calls_end = self.calls.len();
        let taken_before = device.0.count_released(outcome.releases());
        self.lines.push(Line { ordinal: device.ordinal(), calls_end, outcome, taken_before });
    }

    /// The thread's context of this device was destroyed. Where more than one is popped off a stack, it
    /// is the first that was current.
    #[cold]
    pub(super) fn switched(&mut self, from: Device) {
        if self.current_context == CurrentContextChange::Unchanged {
            self.current_context = CurrentContextChange::Switched { from };
        }
    }

    /// The thread's context of this device lives, and is not current. No later success covers that up.
    #[cold]
    pub(super) fn not_restored(&mut self, from: Device, error: Error) {
        if self.current_context.error().is_none() {
            self.current_context = CurrentContextChange::NotRestored { from, error };
        }
    }

    /// Who held the device that was dealt with last, and whose references the run released: no more than it
    /// released in all, for others may have released some meanwhile; and not that of a green context to
    /// which it was given back, which the witness counts as the giver's.
    #[cold]
    pub(super) fn held(&mut self, device: Device, mut before: Vec<Holder>, after: &[Holder]) {
        let outcome = self.lines.last().map(|line| &line.outcome);
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
        self.holders.push((device.ordinal(), before));
    }

    fn holders(&self, device: Device) -> &[Holder] {
        let by_ordinal = |held: &(u32, Vec<Holder>)| held.0;
        match self.holders.binary_search_by_key(&device.ordinal(), by_ordinal) {
            Ok(place) => &self.holders[place].1,
            Err(_) => &[],
        }
    }

    fn line(&self, device: Device) -> Option<(&Outcome, &[Answer], u32)> {
        let by_ordinal = |line: &Line| line.ordinal;
        let place = self.lines.binary_search_by_key(&device.ordinal(), by_ordinal).ok()?;
        let line = &self.lines[place];
        let begin = self.lines[..place].last().map_or(0, |before| before.calls_end);
        Some((&line.outcome, &self.calls[begin..line.calls_end], line.taken_before))
    }
}

impl Report {
    #[inline]
    pub(super) fn new(
        driver: Driver,
        kept: Option<Device>,
        findings: Option<Box<Findings>>,
    ) -> Self {
        Self { driver, kept, findings }
    }

    /// The driver.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// The device that the guard retains; `None` for a run that retained nothing.
    #[must_use]
    pub fn kept(&self) -> Option<Device> {
        self.kept
    }

    /// One line for every device, in the order of the ordinals.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = DeviceReport<'_>> + Clone {
        self.driver.devices().map(|device| self.line(device))
    }

    fn line(&self, device: Device) -> DeviceReport<'_> {
        let found = self.findings.as_ref().and_then(|findings| findings.line(device));
        let (outcome, calls, taken_before) = match found {
            Some(line) => line,
            None if self.kept == Some(device) => (&KEPT.0, &KEPT.1[..], 0),
            None => (&INACTIVE.0, &INACTIVE.1[..], 0),
        };
        let holders =
            || self.findings.as_ref().map_or(&[][..], |findings| findings.holders(device));
        let holders = self.driver.loaded().witness().map(|_| holders());
        DeviceReport { device, outcome, calls, holders, taken_before }
    }

    /// What became of the calling thread's current context.
    #[must_use]
    pub fn current_context(&self) -> &CurrentContextChange {
        self.findings.as_ref().map_or(&UNCHANGED, |findings| &findings.current_context)
    }

    /// Whether the calling thread's current context is another than before.
    #[must_use]
    pub fn current_context_switched(&self) -> bool {
        *self.current_context() != CurrentContextChange::Unchanged
    }

    /// The report in one line: `kept 1; released 0, 2; still active 3`. Inactive devices are not in it.
    #[must_use]
    pub fn summary(&self) -> String {
        summary(self)
    }

    /// The devices on which this run released the context, and on which it is active again now. Calls
    /// `cuDevicePrimaryCtxGetState` for each released device, and releases nothing.
    ///
    /// A thread that still uses a released device can create its context again within milliseconds. Select
    /// the right device in that thread; releasing again does not help.
    ///
    /// # Errors
    /// [`Error::Driver`] if a state cannot be read, [`Error::ForkedAfterInit`].
    pub fn look_again(&self) -> Result<Vec<Device>, Error> {
        self.driver.loaded().check_process()?;
        let mut active = Vec::new();
        for line in self.devices() {
            let was_released = matches!(line.outcome(), Outcome::Released { .. });
            if was_released && line.device().primary_context_state()?.active {
                active.push(line.device());
            }
        }
        Ok(active)
    }

    /// The first failure of any kind as an error, for callers who want all or nothing.
    ///
    /// # Errors
    /// That of the first [`Outcome::Failed`], or of a current context that was not restored.
    pub fn check(&self) -> Result<(), Error> {
        for line in self.findings.iter().flat_map(|findings| &findings.lines) {
            if let Outcome::Failed { error, .. } = &line.outcome {
                return Err(error.clone());
            }
        }
        self.current_context().error().map_or(Ok(()), |error| Err(error.clone()))
    }
}

impl<'a> DeviceReport<'a> {
    /// The device.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// The device's number in this process.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.device.ordinal()
    }

    /// The device's unique id; `None` if the driver did not return one.
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        self.device.known_uuid()
    }

    /// What became of the device.
    #[must_use]
    pub fn outcome(&self) -> &'a Outcome {
        self.outcome
    }

    /// The libraries that held the device's context before the run dealt with it, and how many references
    /// of each it released, as `cuda-contexts trace` counts them. `None` if the program does not run
    /// under that command. Empty if nobody held it, and for the kept device.
    #[must_use]
    pub fn holders(&self) -> Option<&'a [Holder]> {
        self.holders
    }

    /// How many references earlier runs of this process released on this device. 0 if the device was
    /// inactive when this run came to it.
    ///
    /// Not 0: the context was active again, or still. This run may have released a reference that its owner
    /// still needs.
    #[must_use]
    pub fn taken_before(&self) -> u32 {
        self.taken_before
    }

    /// Every driver call that was made for this device, with its answer, in order; those about the
    /// calling thread's current context among them.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = Call> + Clone + use<'a> {
        self.calls.iter().map(|&(function, code)| Call { function: function.name(), code })
    }
}
