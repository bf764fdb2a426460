//! A step that failed, and what the process is then.

use std::fmt;

use crate::checkpoint::calls::{LOCK, RESTORE};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::process::{Checkpointed, Locked, Process};
use crate::checkpoint::state::State;
use crate::checkpoint::target::Target;
use crate::sys::CUresult;

/// A process as it was found, by asking the driver.
#[derive(Debug)]
#[non_exhaustive]
pub enum Found {
    /// It runs.
    Running(Process),
    /// It is locked; dropping the handle unlocks it.
    Locked(Locked),
    /// It is checkpointed.
    Checkpointed(Checkpointed),
    /// No step can be taken in its state: failed, between two states, or unknown to this crate. Or another
    /// controller has it [`State::Locked`]: dropping this does not unlock it, [`Process::take_up`] takes the
    /// lock over.
    Other(Process, State),
    /// The driver did not return its state.
    Unknown(Process, CheckpointError),
}

impl Found {
    pub(super) fn of(target: Target) -> Self {
        let state = target.state();
        Self::so(target, state)
    }

    fn so(target: Target, state: Result<State, CheckpointError>) -> Self {
        match state {
            Ok(State::Running) => Self::Running(Process { target }),
            Ok(State::Locked) => Self::Locked(Locked { target }),
            Ok(State::Checkpointed) => Self::Checkpointed(Checkpointed { target }),
            Ok(state) => Self::Other(Process { target }, state),
            Err(error) => Self::Unknown(Process { target }, error),
        }
    }

    /// After a step that failed. A lock or a restore that was not made, because the process was in another
    /// state or was busy all the time, has locked nothing: a lock found then is somebody else's.
    pub(super) fn after(error: &CheckpointError, target: Target) -> Self {
        let not_made = matches!(
            (error.call(), error.code()),
            (
                Some(LOCK | RESTORE),
                Some(CUresult::CUDA_ERROR_ILLEGAL_STATE | CUresult::CUDA_ERROR_NOT_READY)
            )
        );
        match target.state() {
            Ok(State::Locked) if not_made => Self::Other(Process { target }, State::Locked),
            state => Self::so(target, state),
        }
    }

    /// The state, if the driver returned it.
    pub fn state(&self) -> Option<State> {
        match self {
            Self::Running(_) => Some(State::Running),
            Self::Locked(_) => Some(State::Locked),
            Self::Checkpointed(_) => Some(State::Checkpointed),
            Self::Other(_, state) => Some(*state),
            Self::Unknown(..) => None,
        }
    }

    pub(super) fn running(self) -> Result<Process, Box<Self>> {
        if let Self::Running(process) = self { Ok(process) } else { Err(Box::new(self)) }
    }

    pub(super) fn locked(self) -> Result<Locked, Box<Self>> {
        if let Self::Locked(process) = self { Ok(process) } else { Err(Box::new(self)) }
    }

    pub(super) fn checkpointed(self) -> Result<Checkpointed, Box<Self>> {
        if let Self::Checkpointed(process) = self { Ok(process) } else { Err(Box::new(self)) }
    }

    pub(super) fn sentence(&self) -> String {
        match self.state() {
            Some(state) => format!("Process {} is {state} now.", self.pid()),
            None => format!("The state of process {} is not known.", self.pid()),
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        match self {
            Self::Running(process) | Self::Other(process, _) | Self::Unknown(process, _) => {
                process.pid()
            }
            Self::Locked(process) => process.pid(),
            Self::Checkpointed(process) => process.pid(),
        }
    }
}

/// Why a step failed, and what the process is then. Dropping it drops what it holds: a process that is
/// still locked is unlocked.
#[derive(thiserror::Error)]
#[error("{}", found.sentence())]
pub struct StepError {
    #[source]
    error: CheckpointError,
    found: Box<Found>,
}

impl StepError {
    #[cold]
    pub(super) fn new(error: CheckpointError, found: Found) -> Self {
        Self { error, found: Box::new(found) }
    }

    /// What went wrong.
    pub fn error(&self) -> &CheckpointError {
        &self.error
    }

    /// What the process is now.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// What went wrong, and the process as it is now.
    #[must_use = "dropping a locked process unlocks it"]
    pub fn into_parts(self) -> (CheckpointError, Found) {
        (self.error, *self.found)
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {self}", self.error)
    }
}

/// Drops the process: one that is still locked is unlocked.
impl From<StepError> for CheckpointError {
    fn from(error: StepError) -> Self {
        error.error
    }
}
