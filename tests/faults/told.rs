//! What a release of stray contexts tells, in words that an implementation other than the crate's can
//! use as well.

use cuda_primary_context::{Device, Driver, Error, PrimaryContextGuard, Report, StrayRelease};

use super::outcome::{Change, What};

/// The report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub lines: Vec<Line>,
    pub thread: Change,
    /// All of it as one result.
    pub result: Result<(), Error>,
}

/// What became of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub ordinal: u32,
    pub outcome: What,
    /// Every call that was made for it, with its code.
    pub calls: Vec<(&'static str, u32)>,
}

impl Told {
    pub fn new(lines: Vec<Line>, thread: Change) -> Self {
        let failed = lines.iter().find_map(|line| line.outcome.error());
        let first = failed.or(thread.error()).cloned();
        Self { lines, thread, result: first.map_or(Ok(()), Err) }
    }
}

impl From<&Report> for Told {
    fn from(report: &Report) -> Self {
        let lines = report.devices().map(|line| Line {
            ordinal: line.ordinal(),
            outcome: line.outcome().into(),
            calls: line.calls().map(|call| (call.function, call.code.0)).collect(),
        });
        Self {
            lines: lines.collect(),
            thread: report.current_context().into(),
            result: report.check(),
        }
    }
}

/// An implementation, to be tried.
pub trait Sweeper {
    /// Holds the kept device until it is dropped.
    type Guard;

    /// Retains this device, and releases the strays on others.
    fn retain_only(
        &self,
        device: Device,
        policy: &StrayRelease,
    ) -> Result<(Self::Guard, Told), Error>;

    /// Releases stray contexts, and retains nothing.
    fn run(&self, driver: Driver, policy: &StrayRelease) -> Result<Told, Error>;
}

/// This crate's.
pub struct Crate;

impl Sweeper for Crate {
    type Guard = PrimaryContextGuard;

    fn retain_only(
        &self,
        device: Device,
        policy: &StrayRelease,
    ) -> Result<(Self::Guard, Told), Error> {
        let guard = PrimaryContextGuard::retain_only_with(device, policy)?;
        let told = Told::from(guard.report());
        Ok((guard, told))
    }

    fn run(&self, driver: Driver, policy: &StrayRelease) -> Result<Told, Error> {
        policy.run(driver).map(|report| Told::from(&report))
    }
}
