//! What became of a group: suspended, resumed, or an error with what every process is now.

use std::fmt;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::group::Steps;
use crate::checkpoint::map::GpuMap;
use crate::checkpoint::process::{Checkpointed, Process};
use crate::checkpoint::report::ProcessReport;
use crate::checkpoint::room::Room;
use crate::checkpoint::step_error::Found;

/// Processes that are all checkpointed. **Dropping it does nothing**: they stay suspended until somebody
/// restores them, or [`recover`](crate::checkpoint::recover)s them.
///
/// Processes that were found checkpointed, by [`Process::take_up`] for example, are collected into one:
/// they have no reports.
#[derive(Debug)]
#[must_use = "the processes stay suspended until somebody restores them"]
pub struct Suspended {
    pub(super) processes: Vec<Checkpointed>,
    pub(super) reports: Vec<ProcessReport>,
}

impl Suspended {
    /// The processes, in the order in which they were given.
    pub fn processes(&self) -> &[Checkpointed] {
        &self.processes
    }

    /// What was done for each process; empty for processes that were collected.
    pub fn reports(&self) -> &[ProcessReport] {
        &self.reports
    }

    /// The processes, each for itself.
    #[must_use = "the processes stay suspended until somebody restores them"]
    pub fn into_processes(self) -> Vec<Checkpointed> {
        self.processes
    }

    /// Checks the room, restores all processes at once, then unlocks all.
    ///
    /// `room` is that of all together: the bytes that a device needs are the sum over the processes.
    ///
    /// If a restore fails, the others finish theirs and are checkpointed again, so that the group is
    /// suspended as before. If an unlock fails, the others are unlocked all the same.
    ///
    /// # Errors
    /// [`CheckpointError::NoRoom`] and [`CheckpointError::NamedTwice`] without a driver call; else the first
    /// failure; with what every process is then and a report for each.
    pub fn resume(self, map: &GpuMap, room: &Room) -> Result<Resumed, GroupError> {
        Steps::new().resume(self, map, room)
    }
}

impl FromIterator<Checkpointed> for Suspended {
    fn from_iter<I: IntoIterator<Item = Checkpointed>>(processes: I) -> Self {
        Self { processes: processes.into_iter().collect(), reports: Vec::new() }
    }
}

/// Processes that run again. After [`recover`](crate::checkpoint::recover), those that can.
#[derive(Debug)]
pub struct Resumed {
    pub(super) processes: Vec<Process>,
    pub(super) reports: Vec<ProcessReport>,
}

impl Resumed {
    /// The processes, in the order in which they were given.
    pub fn into_processes(self) -> Vec<Process> {
        self.processes
    }

    /// What was done for each process.
    pub fn reports(&self) -> &[ProcessReport] {
        &self.reports
    }
}

/// Why a group could not be suspended or resumed, and what every process is then. Dropping it drops what
/// it holds: a process that is still locked is unlocked.
#[derive(Debug, thiserror::Error)]
pub struct GroupError {
    #[source]
    pub(super) error: CheckpointError,
    pub(super) pid: Option<u32>,
    pub(super) found: Vec<Found>,
    pub(super) reports: Vec<ProcessReport>,
}

impl GroupError {
    /// What went wrong first.
    pub fn error(&self) -> &CheckpointError {
        &self.error
    }

    /// The process for which it went wrong; `None` if nothing was done for any.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// What every process is now, in the order in which they were given.
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// What was done for each process, and undone.
    pub fn reports(&self) -> &[ProcessReport] {
        &self.reports
    }

    /// What went wrong, and every process as it is now.
    #[must_use = "dropping a locked process unlocks it"]
    pub fn into_parts(self) -> (CheckpointError, Vec<Found>) {
        (self.error, self.found)
    }
}

impl fmt::Display for GroupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.found.len();
        match self.pid {
            Some(pid) => write!(formatter, "A step failed for process {pid}, one of {all}.")?,
            None => write!(formatter, "Nothing was done for {all} processes.")?,
        }
        self.found.iter().try_for_each(|found| write!(formatter, " {}", found.sentence()))
    }
}
