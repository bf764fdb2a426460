//! Records an operation step by step: what each told, up to which call it went, and what was so at
//! its end.

mod steps;

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{CurrentContext, Error, PrimaryContext, ReleaseError};

use super::complaint::{Complaints, Rule};
use super::stage::Stage;

/// One step.
struct Step {
    /// The driver's calls up to its end.
    calls: u64,
    told: Telling,
    /// Live handles by the ledger, and by what the operation holds.
    ledger: u32,
    alive: u32,
    unreleased: u64,
    /// Which devices' contexts are active at its end.
    active: Vec<bool>,
}

#[derive(Debug)]
enum Telling {
    /// A `Result`: the first failure ends the step.
    One(Option<Error>),
    /// A list of results: each call has its own.
    Each(Vec<Error>),
    /// A handle of this device was released, and came back or did not.
    Released { device: u32, error: Option<Error>, came_back: bool },
    /// A handle of this device was dropped.
    Dropped { device: u32 },
    /// A failed release was given up, with the handle in it if there was one.
    GivenUp { error: Error, handle: bool },
    /// A scope was dropped.
    ScopeDropped,
    /// Somebody else retained, or released.
    Others { device: u32, retained: bool },
}

pub struct Recorder<'a> {
    pub stage: &'a Stage,
    alive: u32,
    steps: Vec<Step>,
    lies: Complaints,
}

impl<'a> Recorder<'a> {
    pub fn new(stage: &'a Stage) -> Self {
        Self { stage, alive: 0, steps: Vec::new(), lies: Complaints::default() }
    }

    /// A step that answers.
    pub fn ask<T>(&mut self, action: impl FnOnce() -> Result<T, Error>) -> Option<T> {
        let (value, error) = match action() {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error)),
        };
        self.note(Telling::One(error));
        value
    }

    /// A step that answers with a list.
    pub fn ask_each(&mut self, action: impl FnOnce() -> Vec<Error>) {
        let errors = action();
        self.note(Telling::Each(errors));
    }

    /// A step that answers with a handle.
    pub fn retain(
        &mut self,
        action: impl FnOnce() -> Result<PrimaryContext, Error>,
    ) -> Option<PrimaryContext> {
        self.retain_if(|| action().map(Some)).flatten()
    }

    /// A step that may answer with a handle.
    pub fn retain_if(
        &mut self,
        action: impl FnOnce() -> Result<Option<PrimaryContext>, Error>,
    ) -> Option<Option<PrimaryContext>> {
        let answer = action();
        self.alive += u32::from(matches!(answer, Ok(Some(_))));
        self.ask(|| answer)
    }

    /// Releases a handle. What comes back of a failure is that very handle.
    pub fn release(&mut self, context: PrimaryContext) -> Option<ReleaseError> {
        let (device, raw) = (context.device(), context.as_raw());
        let failure = context.release().err();
        let handle = failure.as_ref().and_then(ReleaseError::handle);
        let is_that = handle.is_none_or(|back| back.device() == device && back.as_raw() == raw);
        self.truth(is_that, "the handle that comes back is the one that was released");
        let came_back = handle.is_some();
        self.alive -= u32::from(!came_back);
        let error = failure.as_ref().map(|failure| failure.error().clone());
        self.note(Telling::Released { device: device.ordinal(), error, came_back });
        failure
    }

    /// Releases a handle, and if it comes back once more. Then it is given up.
    pub fn release_for_good(&mut self, context: PrimaryContext) {
        let Some(failure) = self.release(context) else { return };
        let (_, Some(back)) = failure.into_parts() else { return };
        if let Some(again) = self.release(back) {
            self.give_up(again);
        }
    }

    /// Drops a failed release.
    pub fn give_up(&mut self, failure: ReleaseError) {
        let (error, handle) = (failure.error().clone(), failure.handle().is_some());
        self.alive -= u32::from(handle);
        match self.steps.len() % 2 {
            0 => drop(failure),
            _ => self.truth(Error::from(failure) == error, "the error is the same as an `Error`"),
        }
        self.note(Telling::GivenUp { error, handle });
    }

    /// A failed release, and the handle in it, went away without the crate's knowing.
    pub fn given_up_already(&mut self, error: Error) {
        self.note(Telling::GivenUp { error, handle: true });
    }

    pub fn drop(&mut self, context: PrimaryContext) {
        let device = context.device().ordinal();
        drop(context);
        self.alive -= 1;
        self.note(Telling::Dropped { device });
    }

    pub fn drop_scope(&mut self, scope: CurrentContext<'_>) {
        drop(scope);
        self.note(Telling::ScopeDropped);
    }

    /// Somebody else retains the device.
    pub fn others_retain(&mut self, device: u32) {
        self.stage.machine.simulator.retain_by_others(device, 1);
        self.note(Telling::Others { device, retained: true });
    }

    /// Somebody else releases the device, whose reference that may be.
    pub fn others_release(&mut self, device: u32) {
        self.stage.machine.simulator.release_by_others(device);
        self.note(Telling::Others { device, retained: false });
    }

    /// A handle changes hands without a call.
    pub fn alive(&mut self, change: i32) {
        self.alive = self.alive.wrapping_add_signed(change);
    }

    /// What was told must be true.
    pub fn truth(&mut self, holds: bool, text: &str) {
        self.lies.unless(holds, Rule::Truth, || text.into());
    }

    fn note(&mut self, told: Telling) {
        let machine = &self.stage.machine;
        self.steps.push(Step {
            calls: machine.simulator.total_calls(),
            told,
            ledger: machine.driver.devices().map(|device| device.handles().unwrap()).sum(),
            alive: self.alive,
            unreleased: machine.driver.unreleased(),
            active: (0..machine.driver.device_count())
                .map(|device| machine.simulator.is_active(device))
                .collect(),
        });
    }

    /// Whether no step told a failure, but that there was no reference any more.
    pub fn succeeded(&self) -> bool {
        self.steps.iter().all(|step| match &step.told {
            Telling::One(error) => error.is_none(),
            Telling::Each(errors) => errors.is_empty(),
            Telling::Released { error, came_back, .. } => !came_back || is_refusal(error.as_ref()),
            _ => true,
        })
    }
}

fn is_refusal(error: Option<&Error>) -> bool {
    error.and_then(Error::code) == Some(CUresult::CUDA_ERROR_INVALID_CONTEXT)
}
