//! What was done for one process of a group, in order.

use std::fmt;
use std::time::Duration;

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
    /// The step in `snake_case`, for logs and JSON.
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
#[non_exhaustive]
pub struct StepReport {
    /// Which step.
    pub step: Step,
    /// Whether the step undoes an earlier one, because another process failed.
    pub undoing: bool,
    /// Why it failed; `None` if the call returned `CUDA_SUCCESS`.
    pub error: Option<CheckpointError>,
    /// How long it took, including the query of the state after a failure.
    pub took: Duration,
}

/// What was done for one process, and what it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessReport {
    /// The process id.
    pub pid: u32,
    /// The steps, in the order in which they were tried.
    pub steps: Vec<StepReport>,
    /// The state of the process after the last step. After a failure it is queried; `None` if that failed, too.
    pub state: Option<State>,
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
