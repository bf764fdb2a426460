//! What `retain_only` tells, in words that an implementation other than the crate's can use as well.

use cuda_primary_context::{
    CurrentContextChange, Device, Error, Outcome, PrimaryContextGuard, StaleRelease,
};

/// The report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub lines: Vec<Line>,
    pub thread: CurrentContextChange,
    /// All of it as one result.
    pub result: Result<(), Error>,
}

/// What became of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub ordinal: u32,
    pub outcome: Outcome,
    /// Every call that was made for it, with its code.
    pub calls: Vec<(&'static str, u32)>,
}

impl Told {
    pub fn new(lines: Vec<Line>, thread: CurrentContextChange) -> Self {
        let failed = lines.iter().find_map(|line| match &line.outcome {
            Outcome::Failed(error) => Some(error.clone()),
            _ => None,
        });
        let not_restored = match &thread {
            CurrentContextChange::NotRestored(error) => Some(error.clone()),
            _ => None,
        };
        let result = failed.or(not_restored).map_or(Ok(()), Err);
        Self { lines, thread, result }
    }

    /// Every error in it.
    pub fn errors(&self) -> Vec<Error> {
        let of_lines = self.lines.iter().filter_map(|line| match &line.outcome {
            Outcome::Failed(error) => Some(error.clone()),
            _ => None,
        });
        let of_thread = match &self.thread {
            CurrentContextChange::NotRestored(error) => Some(error.clone()),
            _ => None,
        };
        of_lines.chain(of_thread).collect()
    }
}

/// An implementation of `retain_only`, to be tried.
pub trait RetainOnly {
    /// Holds the kept device until it is dropped.
    type Guard;

    fn retain_only(
        &self,
        device: Device,
        policy: &StaleRelease,
    ) -> Result<(Self::Guard, Told), Error>;
}

/// This crate's.
pub struct Crate;

impl RetainOnly for Crate {
    type Guard = PrimaryContextGuard;

    fn retain_only(
        &self,
        device: Device,
        policy: &StaleRelease,
    ) -> Result<(Self::Guard, Told), Error> {
        let guard = PrimaryContextGuard::retain_only_with(device, policy)?;
        let report = guard.report();
        let lines = report.devices().map(|line| Line {
            ordinal: line.ordinal(),
            outcome: line.outcome(),
            calls: line.calls().map(|call| (call.function, call.code.0)).collect(),
        });
        let told = Told {
            lines: lines.collect(),
            thread: report.current_context(),
            result: report.into_result(),
        };
        Ok((guard, told))
    }
}
