//! Several processes at once: those that share work must all be locked before any is checkpointed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::map::GpuMap;
use crate::checkpoint::member::Member;
use crate::checkpoint::process::{Checkpointed, Process};
use crate::checkpoint::report::{ProcessReport, Step};
use crate::checkpoint::room::Room;
use crate::checkpoint::step_error::Found;

/// Locks all processes, in their order, then checkpoints all.
///
/// Where one fails, what was done is undone in the opposite order: those checkpointed are restored, on the
/// GPUs that they had and with the memory that they gave up a moment ago, then those locked are unlocked.
/// Whoever gives that memory to others meanwhile makes that restore destroy the process ([`Room`]).
///
/// ```no_run
/// use std::time::Duration;
/// use cuda_primary_context::checkpoint::{GpuMap, Process, Room, suspend};
///
/// fn cycle(pids: &[u32], room: &Room) -> Result<(), Box<dyn std::error::Error>> {
///     let processes = pids.iter().map(|&pid| Process::open(pid)).collect::<Result<Vec<_>, _>>()?;
///     let suspended = suspend(processes, Duration::from_secs(10))?;
///     // … their devices are free …
///     suspended.resume(&GpuMap::same(), room)?;
///     Ok(())
/// }
/// ```
///
/// Processes that share GPU memory, as ranks in an NCCL group over P2P or shared memory do, are checkpointed
/// without an error and were never seen to come back (two H100s and two H200s, driver 580): they leave the
/// group first.
///
/// # Errors
/// The first failure, with what every process is then and a report for each.
pub fn suspend(
    processes: impl IntoIterator<Item = Process>,
    limit: Duration,
) -> Result<Suspended, GroupError> {
    let mut group = Group::new(processes.into_iter().map(Found::Running));
    let done = group
        .all(|member| member.lock(limit))
        .and_then(|()| group.all(|member| member.checkpoint(false)));
    if let Err((pid, error)) = done {
        group.all_backwards(|member| match member.may_have(Step::Checkpoint) {
            true => member.restore(&GpuMap::same(), true),
            // It was found checkpointed, by somebody else.
            false => Ok(()),
        });
        group.all_backwards(|member| member.unlock(true));
        return Err(group.failed(error, Some(pid)));
    }
    let (members, reports) = group.into_parts();
    let checkpointed = members.into_iter().filter_map(|found| match found {
        Found::Checkpointed(process) => Some(process),
        _ => None,
    });
    Ok(Suspended { processes: checkpointed.collect(), reports })
}

/// Processes that are all checkpointed. **Dropping it does nothing**: they stay suspended until somebody
/// restores them.
#[derive(Debug)]
#[must_use = "the processes stay suspended until somebody restores them"]
pub struct Suspended {
    processes: Vec<Checkpointed>,
    reports: Vec<ProcessReport>,
}

impl Suspended {
    /// Processes that were found checkpointed, by [`Process::take_up`] say.
    pub fn of(processes: impl IntoIterator<Item = Checkpointed>) -> Self {
        Self { processes: processes.into_iter().collect(), reports: Vec::new() }
    }

    /// The processes, in the order in which they were given.
    pub fn processes(&self) -> &[Checkpointed] {
        &self.processes
    }

    /// What was done for each process; empty for those that were [taken up](Self::of).
    #[must_use]
    pub fn reports(&self) -> &[ProcessReport] {
        &self.reports
    }

    /// The processes, each for itself.
    #[must_use = "the processes stay suspended until somebody restores them"]
    pub fn into_processes(self) -> Vec<Checkpointed> {
        self.processes
    }

    /// Looks at the room, restores all processes, in their order, then unlocks all.
    ///
    /// `room` is that of all together: the bytes that a device needs are the sum over the processes.
    ///
    /// Where a restore fails, those restored before are checkpointed again, in the opposite order, so
    /// that the group is suspended as before. Where an unlock fails, the others are unlocked all the same.
    ///
    /// # Errors
    /// [`CheckpointError::NoRoom`] without a driver call; else the first failure; with what every process
    /// is then and a report for each.
    pub fn resume(self, map: &GpuMap, room: &Room) -> Result<Resumed, GroupError> {
        let mut group = Group::new(self.processes.into_iter().map(Found::Checkpointed));
        if let Err(error) = room.check() {
            return Err(group.failed(error, None));
        }
        if let Err((pid, error)) = group.all(|member| member.restore(map, false)) {
            group.all_backwards(|member| member.checkpoint(true));
            return Err(group.failed(error, Some(pid)));
        }
        let mut first = None;
        for member in &mut group.0 {
            if let Err(error) = member.unlock(false) {
                first.get_or_insert((member.report.pid(), error));
            }
        }
        if let Some((pid, error)) = first {
            return Err(group.failed(error, Some(pid)));
        }
        let (members, reports) = group.into_parts();
        let running = members.into_iter().filter_map(|found| match found {
            Found::Running(process) => Some(process),
            _ => None,
        });
        Ok(Resumed { processes: running.collect(), reports })
    }
}

/// Processes that all run again.
#[derive(Debug)]
pub struct Resumed {
    processes: Vec<Process>,
    reports: Vec<ProcessReport>,
}

impl Resumed {
    /// The processes, in the order in which they were given.
    #[must_use]
    pub fn into_processes(self) -> Vec<Process> {
        self.processes
    }

    /// What was done for each process.
    #[must_use]
    pub fn reports(&self) -> &[ProcessReport] {
        &self.reports
    }
}

/// Why a group could not be suspended or resumed, and what every process is then. Dropping it drops what
/// it holds: a process that is still locked is unlocked.
#[derive(Debug)]
pub struct GroupError {
    error: CheckpointError,
    pid: Option<u32>,
    found: Vec<Found>,
    reports: Vec<ProcessReport>,
}

impl GroupError {
    /// What went wrong first.
    #[must_use]
    pub fn error(&self) -> &CheckpointError {
        &self.error
    }

    /// The process for which it went wrong; `None` where there was no room for all together.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// What every process is now, in the order in which they were given.
    #[must_use]
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// What was done for each process, and undone.
    #[must_use]
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
            Some(pid) => write!(formatter, "a step failed for process {pid}, one of {all}")?,
            None => write!(formatter, "nothing was done for {all} processes")?,
        }
        for found in &self.found {
            match found.state() {
                Some(state) => write!(formatter, "; {} is {state} now", found.pid())?,
                None => write!(formatter, "; the state of {} is not known", found.pid())?,
            }
        }
        Ok(())
    }
}

impl StdError for GroupError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}

struct Group(Vec<Member>);

impl Group {
    fn new(processes: impl Iterator<Item = Found>) -> Self {
        let members = processes.map(|found| {
            let report = ProcessReport::new(found.pid(), found.state());
            Member { now: Some(found), report }
        });
        Self(members.collect())
    }

    /// Until the first failure, and whose it is.
    fn all(
        &mut self,
        mut step: impl FnMut(&mut Member) -> Result<(), CheckpointError>,
    ) -> Result<(), (u32, CheckpointError)> {
        self.0
            .iter_mut()
            .try_for_each(|member| step(member).map_err(|error| (member.report.pid(), error)))
    }

    /// Undoing goes on whatever fails; the reports say what did.
    fn all_backwards(&mut self, mut step: impl FnMut(&mut Member) -> Result<(), CheckpointError>) {
        for member in self.0.iter_mut().rev() {
            let _ = step(member);
        }
    }

    fn into_parts(self) -> (Vec<Found>, Vec<ProcessReport>) {
        let parts = self.0.into_iter().filter_map(|member| Some((member.now?, member.report)));
        parts.unzip()
    }

    #[cold]
    fn failed(self, error: CheckpointError, pid: Option<u32>) -> GroupError {
        let (found, reports) = self.into_parts();
        GroupError { error, pid, found, reports }
    }
}
