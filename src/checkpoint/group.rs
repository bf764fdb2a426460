//! Several processes together: those that share work must all be locked before any is checkpointed.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::map::GpuMap;
use crate::checkpoint::member::Member;
use crate::checkpoint::process::Process;
use crate::checkpoint::report::{ProcessReport, Step, StepReport};
use crate::checkpoint::room::Room;
use crate::checkpoint::step_error::Found;
use crate::checkpoint::suspended::{GroupError, Resumed, Suspended};

/// Locks all processes, then checkpoints all at once.
///
/// The locks are taken one after the other, which takes milliseconds; the checkpoints overlap, so that a
/// group takes as long as its slowest member. [`Steps::at_once`] bounds how many overlap.
///
/// If a step fails, the others finish theirs, and then everything is undone in the reverse order: those
/// checkpointed are restored, on the GPUs that they had and with the memory that they gave up a moment ago,
/// then those locked are unlocked. If somebody else takes that memory meanwhile, the restore destroys the
/// process ([`Room`]).
///
/// Ranks in an NCCL group over P2P or shared memory must leave it first: no restore brings them back
/// ([what can be checkpointed](crate::checkpoint#what-can-be-checkpointed)).
///
/// # Errors
/// [`CheckpointError::NamedTwice`] without a driver call; else the first failure, with what every process is
/// then and a report for each.
pub fn suspend(
    processes: impl IntoIterator<Item = Process>,
    limit: Duration,
) -> Result<Suspended, GroupError> {
    Steps::new().suspend(processes, limit)
}

/// Brings back what a controller that died or was interrupted left locked or checkpointed: restores all that are
/// checkpointed at once, then unlocks all that are locked. Processes that run are left alone.
///
/// It does not stop at a failure. The lock of a controller that still lives is released, too.
///
/// # Errors
/// [`CheckpointError::NamedTwice`] and [`CheckpointError::NoRoom`] without a step; else the first failure,
/// with what every process is then and a report for each.
pub fn recover(
    processes: impl IntoIterator<Item = Process>,
    map: &GpuMap,
    room: &Room,
) -> Result<Resumed, GroupError> {
    Steps::new().recover(processes, map, room)
}

/// How the steps of a group are taken: how many at once, and a function that is called after each.
#[derive(Clone, Copy, Default)]
#[must_use]
pub struct Steps<'a> {
    at_once: Option<usize>,
    observer: Option<Observer<'a>>,
}

/// Gets a process id and a step of that process that was taken, on the thread that took it.
type Observer<'a> = &'a (dyn Fn(u32, &StepReport) + Sync);

impl<'a> Steps<'a> {
    /// All at once, and no function is called.
    pub const fn new() -> Self {
        Self { at_once: None, observer: None }
    }

    /// Bounds how many processes are checkpointed or restored at once, 1 at least: each takes host memory
    /// for what it had on its GPUs.
    pub const fn at_once(mut self, processes: usize) -> Self {
        self.at_once = Some(if processes == 0 { 1 } else { processes });
        self
    }

    /// Calls a function after every step, to show progress.
    pub const fn on_step(mut self, observer: Observer<'a>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// As [`suspend`].
    ///
    /// # Errors
    /// As [`suspend`].
    pub fn suspend(
        self,
        processes: impl IntoIterator<Item = Process>,
        limit: Duration,
    ) -> Result<Suspended, GroupError> {
        let mut group = self.group(processes.into_iter().map(Found::Running))?;
        let failed = group
            .take(Order::OneByOne, AtFailure::Stop, |member| member.lock(limit))
            .or_else(|| group.take(Order::AtOnce, AtFailure::Stop, Member::checkpoint));
        if let Some((pid, error)) = failed {
            // One that was found checkpointed was so by somebody else.
            group.take(Order::AtOnceBackwards, AtFailure::GoOn, |member| {
                member.undo(Step::Checkpoint, |member| member.restore(&GpuMap::same()))
            });
            group.take(Order::OneByOneBackwards, AtFailure::GoOn, |member| {
                member.undo(Step::Lock, Member::unlock)
            });
            return Err(group.failed(error, Some(pid)));
        }
        let (members, reports) = group.into_parts();
        let checkpointed = members.into_iter().filter_map(|found| found.checkpointed().ok());
        Ok(Suspended { processes: checkpointed.collect(), reports })
    }

    /// As [`Suspended::resume`].
    ///
    /// # Errors
    /// As [`Suspended::resume`].
    pub fn resume(
        self,
        suspended: Suspended,
        map: &GpuMap,
        room: &Room,
    ) -> Result<Resumed, GroupError> {
        let processes = suspended.into_processes();
        let mut group = self.group(processes.into_iter().map(Found::Checkpointed))?;
        if let Err(error) = room.check() {
            return Err(group.failed(error, None));
        }
        let restore = |member: &mut Member| member.restore(map);
        if let Some((pid, error)) = group.take(Order::AtOnce, AtFailure::Stop, restore) {
            group.take(Order::AtOnceBackwards, AtFailure::GoOn, |member| {
                member.undo(Step::Restore, Member::checkpoint)
            });
            return Err(group.failed(error, Some(pid)));
        }
        let failed = group.take(Order::OneByOne, AtFailure::GoOn, Member::unlock);
        group.resumed(failed)
    }

    /// As [`recover`].
    ///
    /// # Errors
    /// As [`recover`].
    pub fn recover(
        self,
        processes: impl IntoIterator<Item = Process>,
        map: &GpuMap,
        room: &Room,
    ) -> Result<Resumed, GroupError> {
        let mut group = self.group(processes.into_iter().map(Process::take_up))?;
        if let Err(error) = room.check() {
            return Err(group.failed(error, None));
        }
        let restored = group.take(Order::AtOnce, AtFailure::GoOn, |member| member.restore(map));
        let unlocked = group.take(Order::OneByOne, AtFailure::GoOn, Member::unlock);
        group.resumed(restored.or(unlocked))
    }

    /// # Errors
    /// [`CheckpointError::NamedTwice`].
    fn group(self, processes: impl Iterator<Item = Found>) -> Result<Group<'a>, GroupError> {
        let group = Group { members: processes.map(Member::new).collect(), steps: self };
        let pids: Vec<u32> = group.members.iter().map(Member::pid).collect();
        let twice = (1..pids.len()).find(|&index| pids[..index].contains(&pids[index]));
        match twice {
            Some(index) => {
                Err(group.failed(CheckpointError::NamedTwice { pid: pids[index] }, None))
            }
            None => Ok(group),
        }
    }
}

impl fmt::Debug for Steps<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Steps").field("at_once", &self.at_once).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    OneByOne,
    OneByOneBackwards,
    AtOnce,
    AtOnceBackwards,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AtFailure {
    /// Begin no other step; those that have begun finish.
    Stop,
    GoOn,
}

type Failure = (u32, CheckpointError);

struct Group<'a> {
    members: Vec<Member>,
    steps: Steps<'a>,
}

impl Group<'_> {
    /// Takes a step of every process; the first failure, and whose it is.
    fn take(
        &mut self,
        order: Order,
        at_failure: AtFailure,
        step: impl Fn(&mut Member) -> Result<(), CheckpointError> + Sync,
    ) -> Option<Failure> {
        let all = self.members.len();
        let threads = match order {
            Order::OneByOne | Order::OneByOneBackwards => 1,
            Order::AtOnce | Order::AtOnceBackwards => self.steps.at_once.unwrap_or(all).min(all),
        };
        let backwards = matches!(order, Order::OneByOneBackwards | Order::AtOnceBackwards);
        let mut waiting: Vec<&mut Member> = self.members.iter_mut().collect();
        if !backwards {
            waiting.reverse();
        }
        let (waiting, first) = (Mutex::new(waiting), Mutex::new(None));
        let observer = self.steps.observer;
        let work = || {
            while at_failure == AtFailure::GoOn || lock(&first).is_none() {
                let next = lock(&waiting).pop();
                let Some(member) = next else { return };
                let before = member.report.steps.len();
                if let Err(error) = step(member) {
                    lock(&first).get_or_insert((member.pid(), error));
                }
                if let Some(observer) = observer {
                    let taken = &member.report.steps[before..];
                    taken.iter().for_each(|step| observer(member.pid(), step));
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                // Without further threads it takes longer, and nothing else.
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        first.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_parts(self) -> (Vec<Found>, Vec<ProcessReport>) {
        self.members.into_iter().filter_map(Member::into_parts).unzip()
    }

    fn resumed(self, failure: Option<Failure>) -> Result<Resumed, GroupError> {
        if let Some((pid, error)) = failure {
            return Err(self.failed(error, Some(pid)));
        }
        let (members, reports) = self.into_parts();
        let running = members.into_iter().filter_map(|found| found.running().ok());
        Ok(Resumed { processes: running.collect(), reports })
    }

    #[cold]
    fn failed(self, error: CheckpointError, pid: Option<u32>) -> GroupError {
        let (found, reports) = self.into_parts();
        GroupError { error, pid, found, reports }
    }
}

/// A step that panics on another thread leaves the values as they should be.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
