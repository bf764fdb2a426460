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
    now: Option<Found>,
    pub(super) report: ProcessReport,
    /// Whether steps undo earlier ones.
    undoing: bool,
}

/// What became of a step.
enum Taken {
    Now(Result<Found, StepError>),
    /// The process was in no state for it.
    Not(Found),
}

impl Member {
    pub(super) fn new(found: Found) -> Self {
        let report = ProcessReport { pid: found.pid(), steps: Vec::new(), state: found.state() };
        Self { now: Some(found), report, undoing: false }
    }

    pub(super) fn pid(&self) -> u32 {
        self.report.pid
    }

    pub(super) fn into_parts(self) -> Option<(Found, ProcessReport)> {
        Some((self.now?, self.report))
    }

    pub(super) fn lock(&mut self, limit: Duration) -> Result<(), CheckpointError> {
        self.step(Step::Lock, |found| match found {
            Found::Running(process) => Taken::Now(process.lock(limit).map(Found::Locked)),
            other => Taken::Not(other),
        })
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), CheckpointError> {
        self.step(Step::Checkpoint, |found| match found {
            Found::Locked(process) => Taken::Now(process.checkpoint().map(Found::Checkpointed)),
            other => Taken::Not(other),
        })
    }

    pub(super) fn restore(&mut self, map: &GpuMap) -> Result<(), CheckpointError> {
        self.step(Step::Restore, |found| match found {
            Found::Checkpointed(process) => {
                Taken::Now(process.restore(map, &Room::Trusted).map(Found::Locked))
            }
            other => Taken::Not(other),
        })
    }

    pub(super) fn unlock(&mut self) -> Result<(), CheckpointError> {
        self.step(Step::Unlock, |found| match found {
            Found::Locked(process) => Taken::Now(process.unlock().map(Found::Running)),
            other => Taken::Not(other),
        })
    }

    /// Takes a step that undoes an earlier one, if that was tried and was not refused because the process
    /// was in another state.
    pub(super) fn undo(
        &mut self,
        earlier: Step,
        step: impl FnOnce(&mut Self) -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let was_tried = self.report.steps.iter().any(|report| {
            let code = report.error.as_ref().and_then(CheckpointError::code);
            report.step == earlier && code != Some(CUresult::CUDA_ERROR_ILLEGAL_STATE)
        });
        self.undoing = true;
        if was_tried { step(self) } else { Ok(()) }
    }

    /// Takes a step and notes it. A process that is in no state for it is left as it is.
    fn step(
        &mut self,
        step: Step,
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
        let (result, found) = match taken {
            Ok(found) => (Ok(()), found),
            Err(error) => {
                let (error, found) = error.into_parts();
                (Err(error), found)
            }
        };
        self.report.state = found.state();
        self.now = Some(found);
        let (undoing, error) = (self.undoing, result.clone().err());
        self.report.steps.push(StepReport { step, undoing, error, took });
        result
    }
}
