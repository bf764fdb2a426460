//! The policy: which devices to leave alone and how many references to release.

use crate::driver::Driver;
use crate::driver::device::Device;
use crate::error::Error;
use crate::retain_only::events;
use crate::retain_only::plan::Plan;
use crate::retain_only::report::Report;
use crate::retain_only::run::release_strays;

/// What [`retain_only_with`](crate::PrimaryContextGuard::retain_only_with) may release, and a
/// [`run`](Self::run) that retains nothing.
///
/// The default is that of [`retain_only`](crate::PrimaryContextGuard::retain_only): no further
/// device is kept, and each stray device is released once.
#[doc(alias = "stale")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayRelease {
    pub(super) kept: Vec<Device>,
    pub(super) releases: u32,
}

impl StrayRelease {
    /// The default policy.
    #[must_use]
    pub const fn new() -> Self {
        Self { kept: Vec::new(), releases: 1 }
    }

    /// Leaves these devices alone, whatever their state, in addition to those named before. They are
    /// not retained.
    #[must_use]
    pub fn keep(mut self, devices: impl IntoIterator<Item = Device>) -> Self {
        self.kept.extend(devices);
        self
    }

    /// Releases up to this many references on each device while it stays active. 0 releases none.
    ///
    /// # Safety
    /// Each further reference on a device belongs to code that has not released it. Nothing in the process
    /// may use an object of such a context any more, on any thread, now or later ("Soundness" of
    /// [`retain_only`](crate::PrimaryContextGuard::retain_only)).
    #[must_use]
    pub unsafe fn releases_up_to(mut self, releases: u32) -> Self {
        self.releases = releases;
        self
    }

    /// Releases the strays on every device that the policy does not keep, and retains nothing. Otherwise as
    /// [`retain_only`](crate::PrimaryContextGuard::retain_only): its sections on soundness and on references
    /// of others apply here, too. Call it a single time.
    ///
    /// If the calling thread's current context is on a device that is released, it is popped off the
    /// thread's stack before (`cuCtxPopCurrent_v2`), and pushed again if it is alive afterwards.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`], [`Error::OtherDriver`] if the policy keeps a device of another
    /// driver. Failures of single devices are in the report; [`Report::check`] makes an error of them.
    pub fn run(&self, driver: Driver) -> Result<Report, Error> {
        self.check(driver)?;
        driver.check_process()?;
        let findings = release_strays(driver, None, self);
        let report = Report { driver, kept: None, findings };
        events::released(&report);
        Ok(report)
    }

    /// Returns what [`retain_only_with`](crate::PrimaryContextGuard::retain_only_with) would do at this
    /// moment if it kept this device. Calls `cuDevicePrimaryCtxGetState` for every other device that the
    /// policy does not keep, changes nothing, and never waits.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`], [`Error::OtherDriver`]. A device whose state cannot be read is
    /// [`Planned::Failed`](crate::Planned::Failed).
    #[doc(alias = "cuDevicePrimaryCtxGetState")]
    pub fn plan_retain_only(&self, device: Device) -> Result<Plan, Error> {
        Plan::make(device.driver(), Some(device), self)
    }

    /// Returns what [`run`](Self::run) would do, as [`plan_retain_only`](Self::plan_retain_only).
    ///
    /// # Errors
    /// As [`plan_retain_only`](Self::plan_retain_only).
    pub fn plan_run(&self, driver: Driver) -> Result<Plan, Error> {
        Plan::make(driver, None, self)
    }

    /// Returns an error for devices of another driver, whose ordinals are of other devices.
    pub(super) fn check(&self, driver: Driver) -> Result<(), Error> {
        match self.kept.iter().find(|kept| kept.driver() != driver) {
            Some(kept) => Err(Error::OtherDriver { ordinal: kept.ordinal() }),
            None => Ok(()),
        }
    }
}

impl Default for StrayRelease {
    fn default() -> Self {
        Self::new()
    }
}
