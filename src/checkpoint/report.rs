//! What was done for one process of a group, in order.

use std::fmt;
use std::time::Duration;

use crate::checkpoint::calls::{CHECKPOINT, LOCK, RESTORE, UNLOCK};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::state::State;

/// One of the four steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// `cuCheckpointProcessLock`.
    Lock,
    /// `cuCheckpointProcessCheckpoint`.
    Checkpoint,
    /// `cuCheckpointProcessRestore`.
    Restore,
    /// `cuCheckpointProcessUnlock`.
    Unlock,
}

impl Step {
    /// The C function.
    #[must_use]
    pub fn call(self) -> &'static str {
        match self {
            Self::Lock => LOCK,
            Self::Checkpoint => CHECKPOINT,
            Self::Restore => RESTORE,
            Self::Unlock => UNLOCK,
        }
    }

    /// The step in `snake_case`, for logs and JSON.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Checkpoint => "checkpoint",
            Self::Restore => "restore",
            Self::Unlock => "unlock",
        }
    }
}

/// A step that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    step: Step,
    undoing: bool,
    error: Option<CheckpointError>,
    took: Duration,
}

impl StepReport {
    pub(super) fn new(
        step: Step,
        undoing: bool,
        error: Option<CheckpointError>,
        took: Duration,
    ) -> Self {
        Self { step, undoing, error, took }
    }

    /// Which step.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// Whether the step undoes an earlier one, because another process failed.
    #[must_use]
    pub fn is_undoing(&self) -> bool {
        self.undoing
    }

    /// Why it failed; `None` if the call returned `CUDA_SUCCESS`.
    #[must_use]
    pub fn error(&self) -> Option<&CheckpointError> {
        self.error.as_ref()
    }

    /// How long it took, including the query of the state after a failure.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }
}

/// What was done for one process, and what it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessReport {
    pid: u32,
    steps: Vec<StepReport>,
    state: Option<State>,
}

impl ProcessReport {
    pub(super) fn new(pid: u32, state: Option<State>) -> Self {
        Self { pid, steps: Vec::new(), state }
    }

    pub(super) fn add(&mut self, step: StepReport, state: Option<State>) {
        self.steps.push(step);
        self.state = state;
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The steps, in the order in which they were tried.
    #[must_use]
    pub fn steps(&self) -> &[StepReport] {
        &self.steps
    }

    /// The state of the process after the last step. After a failure the driver was asked for it; `None` if
    /// that failed, too.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.state
    }
}

/// One line: the process, each step with its time and its error, the state at the end.
impl fmt::Display for ProcessReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {}:", self.pid)?;
        for (index, step) in self.steps.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let undoing = if step.undoing { "undone by " } else { "" };
            let milliseconds = step.took.as_secs_f64() * 1e3;
            write!(formatter, "{separator} {undoing}{} {milliseconds:.0} ms", step.step.kind())?;
            if let Some(error) = &step.error {
                write!(formatter, " ({error})")?;
            }
        }
        match self.state {
            Some(state) => write!(formatter, "; {state} now"),
            None => write!(formatter, "; its state is not known"),
        }
    }
}
