//! One process of a group: the steps that it takes, noted in its report.

use std::time::{Duration, Instant};

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::map::GpuMap;
use crate::checkpoint::report::{ProcessReport, Step, StepReport};
use crate::checkpoint::room::Room;
use crate::checkpoint::step_error::{Found, StepError};
use crate::sys::CUresult;

/// One process of a group on its way.
pub(super) struct Member {
    /// `None` only in the middle of a step.
    pub(super) now: Option<Found>,
    pub(super) report: ProcessReport,
}

/// What became of a step.
enum Taken {
    Now(Result<Found, StepError>),
    /// The process was in no state for it.
    Not(Found),
}

impl Member {
    pub(super) fn lock(&mut self, limit: Duration) -> Result<(), CheckpointError> {
        self.step(Step::Lock, false, |found| match found {
            Found::Running(process) => Taken::Now(process.lock(limit).map(Found::Locked)),
            other => Taken::Not(other),
        })
    }

    pub(super) fn checkpoint(&mut self, undoing: bool) -> Result<(), CheckpointError> {
        self.step(Step::Checkpoint, undoing, |found| match found {
            Found::Locked(process) => Taken::Now(process.checkpoint().map(Found::Checkpointed)),
            other => Taken::Not(other),
        })
    }

    pub(super) fn restore(&mut self, map: &GpuMap, undoing: bool) -> Result<(), CheckpointError> {
        self.step(Step::Restore, undoing, |found| match found {
            Found::Checkpointed(process) => {
                Taken::Now(process.restore(map, &Room::Trusted).map(Found::Locked))
            }
            other => Taken::Not(other),
        })
    }

    pub(super) fn unlock(&mut self, undoing: bool) -> Result<(), CheckpointError> {
        self.step(Step::Unlock, undoing, |found| match found {
            Found::Locked(process) => Taken::Now(process.unlock().map(Found::Running)),
            other => Taken::Not(other),
        })
    }

    /// Whether this step was tried, and not refused because the process was in another state.
    pub(super) fn may_have(&self, step: Step) -> bool {
        self.report.steps().iter().any(|report| {
            let code = report.error().and_then(CheckpointError::code);
            report.step() == step && code != Some(CUresult::CUDA_ERROR_ILLEGAL_STATE)
        })
    }

    /// Takes a step and notes it. A process that is in no state for it is left as it is.
    fn step(
        &mut self,
        step: Step,
        undoing: bool,
        take: impl FnOnce(Found) -> Taken,
    ) -> Result<(), CheckpointError> {
        let Some(found) = self.now.take() else { return Ok(()) };
        let began = Instant::now();
        let taken = match take(found) {
            Taken::Now(taken) => taken,
            Taken::Not(untouched) => {
                self.now = Some(untouched);
                return Ok(());
            }
        };
        let took = began.elapsed();
        let (answer, found) = match taken {
            Ok(found) => (Ok(()), found),
            Err(error) => {
                let (error, found) = error.into_parts();
                (Err(error), found)
            }
        };
        let state = found.state();
        self.now = Some(found);
        self.report.add(StepReport::new(step, undoing, answer.clone().err(), took), state);
        answer
    }
}
