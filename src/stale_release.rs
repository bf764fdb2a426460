//! The policy: which devices to leave alone, how many references to release, and the dry run.

use std::fmt;

use crate::device::Device;
use crate::error::Error;
use crate::line::{End, EveryLine, Line};
use crate::sweep::assess;

/// What [`retain_only_with`](crate::PrimaryContextGuard::retain_only_with) may release.
///
/// The default is that of [`retain_only`](crate::PrimaryContextGuard::retain_only): no further
/// device is kept, and each stale device is released once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleRelease {
    kept: Vec<Device>,
    releases: u32,
    threads: u32,
}

impl StaleRelease {
    /// The default policy.
    #[must_use]
    pub const fn new() -> Self {
        Self { kept: Vec::new(), releases: 1, threads: 1 }
    }

    /// Leaves these devices alone, whatever their state. They are not retained.
    #[must_use]
    pub fn keep(mut self, devices: impl IntoIterator<Item = Device>) -> Self {
        self.kept.extend(devices);
        self
    }

    /// Goes on releasing while a device stays active, up to this many references. 0 releases none.
    ///
    /// References that this process holds through other libraries are theirs: each release beyond
    /// their number is refused by the driver, each one before it takes a reference from somebody who
    /// counts on it. [`retain_only`](crate::PrimaryContextGuard::retain_only) says under
    /// "Foreign references" what that does to them.
    #[must_use]
    pub fn releases_up_to(mut self, releases: u32) -> Self {
        self.releases = releases;
        self
    }

    /// Releases several devices at once, on up to this many threads, the calling one among them. 0
    /// and 1 release one device after the other, on the calling thread alone.
    ///
    /// The last release of a context takes its time (54 ms on an H200 with driver 580), and seven of
    /// them are what a worker on a machine with eight GPUs waits for at its start. Whether a driver
    /// tears down several contexts at once is not known; tearing down while other threads make driver
    /// calls has been seen to crash inside libcuda, so this is not the default. With it, every
    /// device is asked for its state before the first is released.
    #[must_use]
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// The dry run: what [`retain_only_with`](crate::PrimaryContextGuard::retain_only_with) would
    /// do at this moment if it kept this device. Calls `cuDevicePrimaryCtxGetState` for every other
    /// device, and changes nothing.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`], [`Error::OtherDriver`]. A device whose state cannot be read is
    /// [`Planned::Failed`].
    #[doc(alias = "cuDevicePrimaryCtxGetState")]
    pub fn plan(&self, device: Device) -> Result<Plan, Error> {
        self.check(device)?;
        let driver = device.driver();
        let ledger = device.loaded().lock()?;
        let mut lines = EveryLine::untouched(driver.device_count());
        for (other, line) in driver.devices().zip(lines.as_mut_slice()) {
            if other != device {
                *line = assess(other, self, &ledger).unwrap_or(Line::INACTIVE);
            }
        }
        Ok(Plan { kept: device, releases: self.releases, lines })
    }

    /// Refuses devices of another driver, whose ordinals mean something else.
    pub(crate) fn check(&self, device: Device) -> Result<(), Error> {
        match self.kept.iter().find(|kept| kept.driver() != device.driver()) {
            Some(kept) => Err(Error::OtherDriver { ordinal: kept.ordinal() }),
            None => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn keeps(&self, device: Device) -> bool {
        !self.kept.is_empty() && self.kept.contains(&device)
    }

    #[inline]
    pub(crate) fn release_threads(&self) -> u32 {
        self.threads
    }

    #[inline]
    pub(crate) fn releases(&self) -> u32 {
        self.releases
    }
}

impl Default for StaleRelease {
    fn default() -> Self {
        Self::new()
    }
}

/// A dry run, made by [`StaleRelease::plan`].
#[derive(Debug, Clone)]
pub struct Plan {
    kept: Device,
    releases: u32,
    lines: EveryLine,
}

/// What would be done to one device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Planned {
    /// Retain it, or leave it alone as the policy says.
    Keep,
    /// Nothing: there is no active context.
    AlreadyInactive,
    /// Release it, at most this many times.
    Release {
        /// The policy's bound.
        at_most: u32,
    },
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
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::AlreadyInactive => "already_inactive",
            Self::Release { .. } => "release",
            Self::HeldHere { .. } => "held_here",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => formatter.write_str("keep"),
            Self::AlreadyInactive => formatter.write_str("already inactive"),
            Self::Release { at_most: 1 } => formatter.write_str("release"),
            Self::Release { at_most } => write!(formatter, "release (up to {at_most} times)"),
            Self::HeldHere { handles } => write!(formatter, "held here ({handles} handles)"),
            Self::Failed(error) => write!(formatter, "failed: {error}"),
        }
    }
}

impl Plan {
    /// The device that would be kept.
    #[must_use]
    pub fn kept(&self) -> Device {
        self.kept
    }

    /// Every device with what would be done to it, in the order of the ordinals.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = (Device, Planned)> + Clone {
        let driver = self.kept.driver();
        driver
            .devices()
            .zip(self.lines.as_slice())
            .map(|(device, line)| (device, self.planned(device, *line)))
    }

    fn planned(&self, device: Device, line: Line) -> Planned {
        match line.end() {
            End::Untouched | End::Retained => Planned::Keep,
            End::Inactive | End::Taken => Planned::AlreadyInactive,
            End::Pending | End::Active => Planned::Release { at_most: self.releases },
            End::Held(handles) => Planned::HeldHere { handles },
            End::Failed(_) | End::ThreadFailed => Planned::Failed(line.failure(device)),
        }
    }
}
