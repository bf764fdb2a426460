//! What a release did, device by device.

use std::fmt;

use crate::device::{Device, Uuid};
use crate::error::Error;
use crate::line::{End, Line, Lines};
use crate::sys::CUresult;

/// What [`retain_only`](crate::PrimaryContextGuard::retain_only) did: one line for every device,
/// in the order of the ordinals, and what became of the calling thread's current context.
#[derive(Debug, Clone)]
pub struct Report {
    kept: Device,
    pub(crate) lines: Lines,
    pub(crate) change: ThreadChange,
    /// Why the calling thread could not be seen off a context that was to be released.
    pub(crate) failure: Option<Box<Error>>,
}

/// [`CurrentContextChange`] as it is kept: errors are large, and rare.
#[derive(Debug, Clone)]
pub(crate) enum ThreadChange {
    Unchanged,
    Switched { from: Option<Device> },
    NotRestored(Box<Error>),
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

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => formatter.write_str("kept"),
            Self::AlreadyInactive => formatter.write_str("already inactive"),
            Self::Released { releases: 1 } => formatter.write_str("released"),
            Self::Released { releases } => write!(formatter, "released ({releases} times)"),
            Self::StillActive { releases } => {
                write!(formatter, "still active ({releases} released)")
            }
            Self::HeldHere { handles } => write!(formatter, "held here ({handles} handles)"),
            Self::Failed(error) => write!(formatter, "failed: {error}"),
        }
    }
}

/// What became of the calling thread's current context.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CurrentContextChange {
    /// It is what it was, as far as the driver's answers tell: a `cuCtxSetCurrent` that reports a
    /// failure may have made the kept device's context current all the same. The device that it was
    /// called for is then [`Outcome::Failed`] with that call.
    Unchanged,
    /// It was made the kept device's: it was of a device that was then released, or whose release
    /// failed, or it was destroyed already and of no device that the driver would name.
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
    #[inline]
    pub(crate) fn new(kept: Device) -> Self {
        Self { kept, lines: Lines::new(), change: ThreadChange::Unchanged, failure: None }
    }

    /// The device that was kept.
    #[must_use]
    pub fn kept(&self) -> Device {
        self.kept
    }

    /// One line for every device, in the order of the ordinals.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = DeviceReport<'_>> + Clone {
        self.kept.driver().devices().map(|device| {
            let line = match device == self.kept {
                true => Line::RETAINED,
                false => self.lines.of(device),
            };
            DeviceReport { device, line, report: self }
        })
    }

    /// What became of the calling thread's current context.
    #[must_use]
    pub fn current_context(&self) -> CurrentContextChange {
        match &self.change {
            ThreadChange::Unchanged => CurrentContextChange::Unchanged,
            ThreadChange::Switched { from } => CurrentContextChange::Switched { from: *from },
            ThreadChange::NotRestored(error) => {
                CurrentContextChange::NotRestored((**error).clone())
            }
        }
    }

    /// Whether the calling thread's current context is another than before.
    #[must_use]
    pub fn current_context_switched(&self) -> bool {
        !matches!(self.change, ThreadChange::Unchanged)
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
        match &self.change {
            ThreadChange::NotRestored(error) => Err((**error).clone()),
            ThreadChange::Unchanged | ThreadChange::Switched { .. } => Ok(()),
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
        let releases = self.line.releases();
        match self.line.end() {
            End::Retained | End::Untouched => Outcome::Kept,
            End::Inactive | End::Taken if releases == 0 => Outcome::AlreadyInactive,
            End::Inactive | End::Taken => Outcome::Released { releases },
            End::Active => Outcome::StillActive { releases },
            End::Held(handles) => Outcome::HeldHere { handles },
            End::Failed(_) | End::Pending => Outcome::Failed(self.line.failure(self.device)),
            End::ThreadFailed => Outcome::Failed(match &self.report.failure {
                Some(error) => (**error).clone(),
                None => self.line.failure(self.device),
            }),
        }
    }

    /// Every driver call that was made for this device, with its answer, in order.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = Call> + Clone + use<'a> {
        let line = self.line;
        (0..line.calls()).map(move |index| {
            let (function, code) = line.call(index);
            Call { function, code }
        })
    }
}
