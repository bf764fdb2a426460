//! What a release did, device by device.

use crate::device::{Device, Uuid};
use crate::error::Error;
use crate::sys::CUresult;

/// What [`retain_only`](crate::PrimaryContextGuard::retain_only) did: one line for every device,
/// in the order of the ordinals, and what became of the calling thread's current context.
#[derive(Debug, Clone)]
pub struct Report {
    kept: Device,
    lines: Vec<Line>,
    current_context: CurrentContextChange,
    /// Why the calling thread could not be seen off a context that was to be released.
    thread_failure: Option<Error>,
}

/// What became of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The device to keep, which the guard retains, or another one that the policy keeps, which was
    /// not touched.
    Kept,
    /// There was no active context, or somebody else released it in that moment.
    AlreadyInactive,
    /// The context was active, and is not any more.
    Released {
        /// How many references were released.
        releases: u32,
    },
    /// References were released, and the context is still active: others hold it, too. That is a
    /// normal outcome.
    StillActive {
        /// How many references were released.
        releases: u32,
    },
    /// Live handles of this crate hold the device; it was left alone.
    HeldHere {
        /// How many handles.
        handles: u32,
    },
    /// A driver call failed. The references released before it, if any, stay released.
    Failed(Error),
}

impl Outcome {
    /// The variant in `snake_case`, for logs and JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::AlreadyInactive => "already_inactive",
            Self::Released { .. } => "released",
            Self::StillActive { .. } => "still_active",
            Self::HeldHere { .. } => "held_here",
            Self::Failed(_) => "failed",
        }
    }
}

/// What became of the calling thread's current context.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CurrentContextChange {
    /// It is what it was.
    Unchanged,
    /// It was made the kept device's: it was of a device that was then released, or it was
    /// destroyed already and of no device that the driver would name.
    Switched {
        /// The device whose context it was, if the driver named one.
        from: Option<Device>,
    },
    /// It was made the kept device's for a release that left the other context active, and could
    /// not be made what it was again.
    NotRestored(Error),
}

/// One driver call and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Call {
    /// The C function, by its exact name.
    pub function: &'static str,
    /// What it answered.
    pub code: CUresult,
}

/// The line of one device.
#[derive(Debug, Clone, Copy)]
pub struct DeviceReport<'a> {
    device: Device,
    line: Line,
    report: &'a Report,
}

impl Report {
    pub(crate) fn new(kept: Device) -> Self {
        Self {
            kept,
            lines: Vec::with_capacity(kept.driver().device_count() as usize),
            current_context: CurrentContextChange::Unchanged,
            thread_failure: None,
        }
    }

    /// Adds the line of the next device.
    #[inline]
    pub(crate) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// The lines so far, with their devices.
    pub(crate) fn lines_mut(&mut self) -> impl Iterator<Item = (Device, &mut Line)> {
        self.kept.driver().devices().zip(&mut self.lines)
    }

    pub(crate) fn line(&self, device: Device) -> Line {
        self.lines[device.ordinal() as usize]
    }

    pub(crate) fn set_thread(&mut self, change: CurrentContextChange, failure: Option<Error>) {
        self.current_context = change;
        self.thread_failure = failure;
    }

    /// The device that was kept.
    #[must_use]
    pub fn kept(&self) -> Device {
        self.kept
    }

    /// One line for every device, in the order of the ordinals.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = DeviceReport<'_>> + Clone {
        let driver = self.kept.driver();
        driver.devices().zip(&self.lines).map(move |(device, line)| DeviceReport {
            device,
            line: *line,
            report: self,
        })
    }

    /// What became of the calling thread's current context.
    #[must_use]
    pub fn current_context(&self) -> CurrentContextChange {
        self.current_context.clone()
    }

    /// Whether the calling thread's current context is another than before.
    #[must_use]
    pub fn current_context_switched(&self) -> bool {
        self.current_context != CurrentContextChange::Unchanged
    }

    /// The first failure of any kind as an error, for callers who want all or nothing.
    ///
    /// # Errors
    /// That of the first [`Outcome::Failed`], or of a current context that was not restored.
    pub fn into_result(&self) -> Result<(), Error> {
        for line in self.devices() {
            if let Outcome::Failed(error) = line.outcome() {
                return Err(error);
            }
        }
        match &self.current_context {
            CurrentContextChange::NotRestored(error) => Err(error.clone()),
            _ => Ok(()),
        }
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

    /// The device's unique id, as [`Device::uuid`] gives it.
    ///
    /// # Errors
    /// As [`Device::uuid`].
    pub fn uuid(&self) -> Result<Uuid, Error> {
        self.device.uuid()
    }

    /// What became of the device.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let Line { end, number, .. } = self.line;
        match end {
            End::Retained | End::Untouched => Outcome::Kept,
            End::Inactive if number == 0 => Outcome::AlreadyInactive,
            End::Inactive => Outcome::Released { releases: number },
            End::Active => Outcome::StillActive { releases: number },
            End::Held => Outcome::HeldHere { handles: number },
            End::Failed | End::Pending => Outcome::Failed(self.failure()),
            End::ThreadFailed => Outcome::Failed(
                self.report.thread_failure.clone().unwrap_or_else(|| self.failure()),
            ),
        }
    }

    /// Every driver call that was made for this device, with its answer, in order.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = Call> + Clone + use<'a> {
        let line = self.line;
        (0..line.calls).map(move |index| Call {
            function: line.function(index),
            code: match index + 1 == line.calls {
                true => line.last,
                false => CUresult::CUDA_SUCCESS,
            },
        })
    }

    /// The error of the device's last call.
    fn failure(&self) -> Error {
        let call = self.line.function(self.line.calls.saturating_sub(1));
        self.device.loaded().error(self.line.last, call, Some(self.ordinal()))
    }
}

/// A line as it is kept: 16 bytes, for everything in it follows from the order of the calls. State
/// and release alternate, beginning with the state, and the first call that fails is the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    end: End,
    calls: u32,
    /// References released, or handles that hold the device.
    number: u32,
    last: CUresult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Kept by the policy.
    Untouched,
    /// Kept by the guard's own retain.
    Retained,
    Inactive,
    Active,
    Held,
    Failed,
    /// Not at its end yet.
    Pending,
    /// Not released, for the thread that asked has the context current.
    ThreadFailed,
}

impl Line {
    const fn new(end: End, calls: u32) -> Self {
        Self { end, calls, number: 0, last: CUresult::CUDA_SUCCESS }
    }

    pub(crate) const UNTOUCHED: Self = Self::new(End::Untouched, 0);
    pub(crate) const RETAINED: Self = Self::new(End::Retained, 1);
    /// No call was made yet.
    pub(crate) const PENDING: Self = Self::new(End::Pending, 0);

    /// Whether the device is one to release, and was not yet.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.end == End::Pending
    }

    pub(crate) fn is_still_active(&self) -> bool {
        self.end == End::Active
    }

    /// How many references were released so far.
    #[inline]
    pub(crate) fn releases(&self) -> u32 {
        self.number
    }

    /// What the last call answered.
    pub(crate) fn last(&self) -> CUresult {
        self.last
    }

    /// Records the next call; whether it succeeded.
    #[inline]
    pub(crate) fn record(&mut self, code: CUresult) -> bool {
        self.calls += 1;
        self.last = code;
        code.is_success()
    }

    #[inline]
    pub(crate) fn record_release(&mut self, code: CUresult) -> bool {
        let released = self.record(code);
        self.number += u32::from(released);
        released
    }

    #[inline]
    pub(crate) fn inactive(self) -> Self {
        Self { end: End::Inactive, ..self }
    }

    pub(crate) fn still_active(self) -> Self {
        Self { end: End::Active, ..self }
    }

    pub(crate) fn held(self, handles: u32) -> Self {
        Self { end: End::Held, number: handles, ..self }
    }

    pub(crate) fn failed(self) -> Self {
        Self { end: End::Failed, ..self }
    }

    pub(crate) fn thread_failed(self) -> Self {
        Self { end: End::ThreadFailed, ..self }
    }

    fn function(&self, index: u32) -> &'static str {
        match (self.end, index % 2) {
            (End::Retained, _) => "cuDevicePrimaryCtxRetain",
            (_, 0) => "cuDevicePrimaryCtxGetState",
            _ => "cuDevicePrimaryCtxRelease_v2",
        }
    }
}
