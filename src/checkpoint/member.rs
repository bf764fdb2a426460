//! One process of a group: the steps that it takes, noted in its report.

use std::time::{Duration, Instant};

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::map::GpuMap;
use crate::checkpoint::report::{ProcessReport, Step, StepReport};
use crate::checkpoint::room::Room;
use crate::checkpoint::step_error::{Found, StepError};
use crate::sys::CUresult;

pub(super) struct Member {
    /// `None` only in the middle of a step.
    now: Option<Found>,
    pub(super) report: ProcessReport,
    /// Whether steps undo earlier ones.
    undoing: bool,
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
        self.step(Step::Lock, Found::running, |process| process.lock(limit).map(Found::Locked))
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), CheckpointError> {
        self.step(Step::Checkpoint, Found::locked, |process| {
            process.checkpoint().map(Found::Checkpointed)
        })
    }

    pub(super) fn restore(&mut self, map: &GpuMap) -> Result<(), CheckpointError> {
        self.step(Step::Restore, Found::checkpointed, |process| {
            process.restore(map, &Room::Trusted).map(Found::Locked)
        })
    }

    pub(super) fn unlock(&mut self) -> Result<(), CheckpointError> {
        self.step(Step::Unlock, Found::locked, |process| process.unlock().map(Found::Running))
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

    /// Takes a step of a process that is in the state for it, and notes it. Another process is left as it is.
    fn step<Before>(
        &mut self,
        step: Step,
        before: impl FnOnce(Found) -> Result<Before, Box<Found>>,
        take: impl FnOnce(Before) -> Result<Found, StepError>,
    ) -> Result<(), CheckpointError> {
        let Some(found) = self.now.take() else { return Ok(()) };
        let process = match before(found) {
            Ok(process) => process,
            Err(untouched) => {
                self.now = Some(*untouched);
                return Ok(());
            }
        };
        let began = Instant::now();
        let (found, error) = match take(process) {
            Ok(found) => (found, None),
            Err(failed) => {
                let (error, found) = failed.into_parts();
                (found, Some(error))
            }
        };
        let took = began.elapsed();
        self.report.state = found.state();
        self.now = Some(found);
        let undoing = self.undoing;
        self.report.steps.push(StepReport { step, undoing, error: error.clone(), took });
        error.map_or(Ok(()), Err)
    }
}
