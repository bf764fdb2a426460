//! The dry run.

use std::fmt;

use crate::driver::Driver;
use crate::driver::device::Device;
use crate::error::Error;
use crate::retain_only::policy::StrayRelease;

/// A dry run, made by [`StrayRelease::plan_retain_only`] and [`StrayRelease::plan_run`].
///
/// Displayed as a table. Displaying it makes no driver call.
#[derive(Clone)]
pub struct Plan {
    driver: Driver,
    kept: Option<Device>,
    /// For every device, in the order of the ordinals.
    planned: Box<[Planned]>,
}

/// What would be done to one device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Planned {
    /// Retain it: the device to keep.
    Keep,
    /// Nothing: the policy keeps it.
    LeaveAlone,
    /// Nothing: there is no active context.
    AlreadyInactive,
    /// Release it, at most this many times.
    Release {
        /// The policy's bound, 1 or more.
        at_most: u32,
    },
    /// Nothing: it is active, and the policy allows no release.
    LeaveActive,
    /// Nothing: live handles of this crate hold it.
    HeldHere {
        /// How many handles.
        handles: u32,
    },
    /// Nothing: its state could not be read.
    Failed(Error),
}

impl Planned {
    /// The variant in `snake_case`, for logs and JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::LeaveAlone => "leave_alone",
            Self::AlreadyInactive => "already_inactive",
            Self::Release { .. } => "release",
            Self::LeaveActive => "leave_active",
            Self::HeldHere { .. } => "held_here",
            Self::Failed(_) => "failed",
        }
    }

    fn of(device: Device, policy: &StrayRelease) -> Self {
        let (call, _, active) = device.call_get_state();
        if let Err(error) = device.check(call) {
            return Self::Failed(error);
        }
        match (active, device.ledger().handles(), policy.releases) {
            (false, ..) => Self::AlreadyInactive,
            (true, 0, 0) => Self::LeaveActive,
            (true, 0, at_most) => Self::Release { at_most },
            (true, handles, _) => Self::HeldHere { handles },
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => formatter.write_str("keep"),
            Self::LeaveAlone => formatter.write_str("leave alone (policy)"),
            Self::AlreadyInactive => formatter.write_str("already inactive"),
            Self::Release { at_most: 1 } => formatter.write_str("release"),
            Self::Release { at_most } => write!(formatter, "release (up to {at_most} times)"),
            Self::LeaveActive => formatter.write_str("leave active (no release allowed)"),
            Self::HeldHere { handles: 1 } => formatter.write_str("held here (1 handle)"),
            Self::HeldHere { handles } => write!(formatter, "held here ({handles} handles)"),
            Self::Failed(error) => write!(formatter, "failed: {error}"),
        }
    }
}

impl Plan {
    pub(super) fn make(
        driver: Driver,
        kept: Option<Device>,
        policy: &StrayRelease,
    ) -> Result<Self, Error> {
        policy.check(driver)?;
        driver.check_process()?;
        let planned = driver.devices().map(|device| match kept == Some(device) {
            true => Planned::Keep,
            false if policy.kept.contains(&device) => Planned::LeaveAlone,
            false => Planned::of(device, policy),
        });
        Ok(Self { driver, kept, planned: planned.collect() })
    }

    /// The driver.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// The device that would be retained; `None` for a run that retains nothing.
    pub fn kept(&self) -> Option<Device> {
        self.kept
    }

    /// Every device with what would be done to it, in the order of the ordinals.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = (Device, &Planned)> + Clone {
        self.driver.devices().zip(&self.planned)
    }
}
