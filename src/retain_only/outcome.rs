//! What became of one device, and of the calling thread's current context.

use std::fmt;

use crate::driver::device::Device;
use crate::error::Error;
use crate::sys::debug::debug_as_displayed;

/// What became of one device, by the state that the driver returned last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The device that the guard retains.
    Kept,
    /// A device that the policy keeps ([`StrayRelease::keep`](crate::StrayRelease::keep)): no call was
    /// made for it.
    LeftAlone,
    /// There was no active context, or other code released it at that moment.
    AlreadyInactive,
    /// The context was active, and is inactive now.
    Released {
        /// How many references were released.
        releases: u32,
    },
    /// The context is still active, because other code holds references to it: the device is not free. This
    /// is not a failure of the run. [`DeviceReport::holders`](crate::DeviceReport::holders) returns who holds
    /// it, if the program runs under `cuda-contexts trace`.
    StillActive {
        /// How many references were released.
        releases: u32,
    },
    /// Handles of this crate are alive on the device; it was left alone.
    HeldHere {
        /// How many handles.
        handles: u32,
    },
    /// The context is active, and only a green context holds it. A release took the green context's
    /// reference (it returned `CUDA_ERROR_NOT_PERMITTED`), and one retain gave it back. The context is
    /// destroyed when the owner of the green context destroys that.
    HeldByGreenContext {
        /// How many references were released before.
        releases: u32,
    },
    /// A driver call failed.
    Failed {
        /// The first call that failed; after a release that took a green context's reference, the retain
        /// that should undo it.
        error: Error,
        /// How many references were released; they stay released.
        releases: u32,
        /// Whether the context is active now; `None` if that is not known.
        active: Option<bool>,
    },
}

impl Outcome {
    /// The variant in `snake_case`, for logs and JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::LeftAlone => "left_alone",
            Self::AlreadyInactive => "already_inactive",
            Self::Released { .. } => "released",
            Self::StillActive { .. } => "still_active",
            Self::HeldHere { .. } => "held_here",
            Self::HeldByGreenContext { .. } => "held_by_green_context",
            Self::Failed { .. } => "failed",
        }
    }

    /// How many references on the device were released and stay released.
    pub fn releases(&self) -> u32 {
        match self {
            Self::Released { releases }
            | Self::StillActive { releases }
            | Self::HeldByGreenContext { releases }
            | Self::Failed { releases, .. } => *releases,
            Self::Kept | Self::LeftAlone | Self::AlreadyInactive | Self::HeldHere { .. } => 0,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => formatter.write_str("kept"),
            Self::LeftAlone => formatter.write_str("left alone"),
            Self::AlreadyInactive => formatter.write_str("already inactive"),
            Self::Released { releases: 1 } => formatter.write_str("released"),
            Self::Released { releases } => write!(formatter, "released ({releases} times)"),
            Self::StillActive { releases } => {
                write!(formatter, "still active ({releases} released)")
            }
            Self::HeldHere { handles: 1 } => formatter.write_str("held here (1 handle)"),
            Self::HeldHere { handles } => write!(formatter, "held here ({handles} handles)"),
            Self::HeldByGreenContext { releases: 0 } => {
                formatter.write_str("held by a green context")
            }
            Self::HeldByGreenContext { releases } => {
                write!(formatter, "held by a green context ({releases} released)")
            }
            Self::Failed { error, releases, active } => {
                write!(formatter, "{}: {error}", failed(*releases, *active))
            }
        }
    }
}

/// A failed device without its error: how many references were released, and its state now.
pub(super) fn failed(releases: u32, active: Option<bool>) -> String {
    let released = match releases {
        0 => String::new(),
        releases => format!(" ({releases} released)"),
    };
    let now = match active {
        Some(true) => "active now",
        Some(false) => "inactive now",
        None => "its state not known",
    };
    format!("failed{released}, {now}")
}

/// What became of the calling thread's current context.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CurrentContextChange {
    /// It is the same as before.
    Unchanged,
    /// The context that was current was destroyed with its last reference. The kept device's context is
    /// current instead, or, if no device was kept, the next one on the thread's stack.
    Switched {
        /// The device whose context it was.
        from: Device,
    },
    /// The context that was current is alive, as far as is known, but not current any more: a driver call
    /// failed.
    NotRestored {
        /// The device whose context it was.
        from: Device,
        /// The call that failed.
        error: Error,
    },
}

impl CurrentContextChange {
    /// The variant in `snake_case`, for logs and JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Switched { .. } => "switched",
            Self::NotRestored { .. } => "not_restored",
        }
    }

    /// The device whose context was current before, if it is not any more.
    pub fn from(&self) -> Option<Device> {
        match self {
            Self::Unchanged => None,
            Self::Switched { from } | Self::NotRestored { from, .. } => Some(*from),
        }
    }

    /// Why it was not restored.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::NotRestored { error, .. } => Some(error),
            _ => None,
        }
    }
}

debug_as_displayed!(CurrentContextChange);

impl fmt::Display for CurrentContextChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => formatter.write_str("this thread's current context is unchanged"),
            Self::Switched { from } => write!(
                formatter,
                "this thread's current context was switched: that of device {from} is destroyed"
            ),
            Self::NotRestored { from, error } => write!(
                formatter,
                "this thread's current context, of device {from}, was not restored: {error}"
            ),
        }
    }
}
