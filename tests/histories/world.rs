//! A simulated machine and its model, taken through a history together.

use cuda_primary_context::sys::CUcontext;
use cuda_primary_context::{Error, Planned, PrimaryContext, PrimaryContextGuard, Report};

use super::handle::Handle;
use super::machine::Others;
use super::model::{Context, Device, Mistake, Model, Release};
use super::operation::{Operation, Policy};
use super::outcome::{Change, What};
use super::sweep::refused;

pub struct World {
    pub(super) others: Others,
    pub(super) model: Model,
    pub(super) handles: Vec<Handle>,
    /// References that were given away: the device, and its context.
    leaked: Vec<(usize, CUcontext)>,
    /// The contexts of `cuCtxCreate`, by their numbers.
    pub(super) ordinary: Vec<CUcontext>,
    /// What could not be given back, before.
    unreleased: u64,
}

/// What is not as the model has it.
pub type Disagreement = String;

macro_rules! agree {
    ($real:expr, $model:expr, $what:expr) => {
        match (&$real, &$model) {
            (real, model) if real == model => {}
            (real, model) => {
                return Err(format!("{}: {real:?}, and by the model {model:?}", $what));
            }
        }
    };
}
pub(super) use agree;

impl World {
    pub fn new(devices: usize, names_dead: bool, mistake: Mistake) -> Self {
        let others = Others::new(devices, names_dead);
        let simulator = &others.machine.simulator;
        let device = |ordinal| Device {
            references: 0,
            active: false,
            greens: 0,
            handles: 0,
            generation: simulator.generation(ordinal),
        };
        let model = Model {
            devices: (0..devices as u32).map(device).collect(),
            ordinary: Vec::new(),
            stack: Vec::new(),
            names_dead,
            underflows: simulator.underflows(),
            mistake,
        };
        let unreleased = others.machine.driver.unreleased();
        let (handles, leaked, ordinary) = (Vec::new(), Vec::new(), Vec::new());
        Self { others, model, handles, leaked, ordinary, unreleased }
    }

    /// Goes through the history, step by step, and compares after each; the number of steps.
    pub fn go_through(mut self, history: &[Operation]) -> Result<usize, Disagreement> {
        let steps = self.steps(history)?;
        let Self { others, model, handles, ordinary, .. } = self;
        drop(handles);
        for (device, Device { greens, .. }) in model.devices.iter().enumerate() {
            others.machine.clear(device as u32, *greens);
            let handles = others.machine.device(device as u32).handles();
            agree!(handles, Ok(0), "handles at the end");
        }
        let living = ordinary.iter().zip(&model.ordinary).filter(|(_, (_, alive))| *alive);
        living.for_each(|(raw, _)| others.destroy(*raw));
        while !others.machine.simulator.stack().is_empty() {
            others.machine.simulator.set_current(None);
        }
        others.keep();
        Ok(steps)
    }

    pub(super) fn steps(&mut self, history: &[Operation]) -> Result<usize, Disagreement> {
        let mut steps = 0;
        for operation in history {
            steps += 1 + self.step(operation).map_err(|text| format!("{operation:?}\n{text}"))?;
            self.compare().map_err(|text| format!("after {operation:?}\n{text}"))?;
        }
        Ok(steps)
    }

    /// One step, and how many there were inside it.
    fn step(&mut self, operation: &Operation) -> Result<usize, Disagreement> {
        match *operation {
            Operation::Retain { device } => {
                let device = self.device(device);
                let context = PrimaryContext::retain(self.real(device)).map_err(unexpected)?;
                self.model.retain(device, 1);
                self.hold(device, Handle::Plain(context));
            }
            Operation::RetainIfActive { device } => self.retain_if_active(device)?,
            Operation::Release { handle, give_up } => self.release(handle, give_up)?,
            Operation::Drop { handle } => {
                if let Some((device, handle)) = self.take(handle) {
                    drop(handle);
                    self.model.handle(device, -1);
                    self.model.release_and_undo(device);
                }
            }
            Operation::Leak { handle } => {
                if let Some((device, handle)) = self.take(handle) {
                    self.leaked.push((device, handle.into_context().into_raw()));
                    self.model.leak(device);
                }
            }
            Operation::Adopt { leaked } => self.adopt(leaked)?,
            Operation::RetainOnly { device, ref policy } => {
                let device = self.device(device);
                let stray = policy.stray_release(self.others.machine.driver);
                let guard = PrimaryContextGuard::retain_only_with(self.real(device), &stray)
                    .map_err(unexpected)?;
                self.swept(guard.report(), Some(device), policy)?;
                self.handles.push(Handle::Guard(guard));
            }
            Operation::Run { ref policy } => {
                let driver = self.others.machine.driver;
                let report = policy.stray_release(driver).run(driver).map_err(unexpected)?;
                self.swept(&report, None, policy)?;
            }
            Operation::Plan { device, ref policy } => self.plan(device, policy)?,
            Operation::Audit => {
                for (device, state) in self.others.machine.driver.primary_contexts() {
                    let active = self.model.devices[device.ordinal() as usize].active;
                    agree!(state.map(|state| state.active), Ok(active), "the audit");
                }
            }
            Operation::SetCurrent { device } => {
                let device = device.map(|device| self.device(device));
                let ordinal = device.map(|device| device as u32);
                self.others.machine.simulator.set_current(ordinal);
                self.model.set_current(device.map(Context::Primary));
            }
            Operation::Scope { handle, leave, ref inside } => {
                return self.scope(handle, leave, inside);
            }
            Operation::Crossed { first, second, ref between } => {
                return self.crossed(first, second, between);
            }
            _ => self.others(operation),
        }
        Ok(0)
    }

    fn retain_if_active(&mut self, device: usize) -> Result<(), Disagreement> {
        let device = self.device(device);
        let active = self.model.devices[device].active;
        let context = PrimaryContext::retain_if_active(self.real(device)).map_err(unexpected)?;
        agree!(context.is_some(), active, "retain_if_active found one");
        if let Some(context) = context {
            self.model.retain(device, 1);
            self.hold(device, Handle::Plain(context));
        }
        Ok(())
    }

    /// What a report says, against the model.
    fn swept(
        &mut self,
        report: &Report,
        kept: Option<usize>,
        policy: &Policy,
    ) -> Result<(), Disagreement> {
        let (outcomes, change) = self.model.sweep(kept, policy);
        let told: Vec<What> = report.devices().map(|line| line.outcome().into()).collect();
        agree!(told, outcomes, "outcomes");
        agree!(Change::from(report.current_context()), change, "the thread's context");
        let first = outcomes.iter().find_map(What::error).cloned();
        agree!(report.check().err(), first, "the result");
        Ok(())
    }

    fn plan(&mut self, device: Option<usize>, policy: &Policy) -> Result<(), Disagreement> {
        let device = device.map(|device| self.device(device));
        let driver = self.others.machine.driver;
        let stray = policy.stray_release(driver);
        let plan = match device {
            Some(device) => stray.plan(self.real(device)),
            None => stray.plan_run(driver),
        };
        let plan = plan.map_err(unexpected)?;
        let planned: Vec<Planned> = plan.devices().map(|(_, planned)| planned.clone()).collect();
        agree!(planned, self.model.plan(device, policy), "the plan");
        Ok(())
    }

    /// A release that finds no reference is refused. It hands the handle back where the context is
    /// active all the same.
    fn release(&mut self, handle: usize, give_up: bool) -> Result<(), Disagreement> {
        let Some((device, handle)) = self.take(handle) else { return Ok(()) };
        let failure = handle.release().err();
        let is_refused = self.model.release_and_undo(device) == Release::Refused;
        let comes_back = is_refused && self.model.devices[device].active;
        let error = failure.as_ref().map(|failure| failure.error().clone());
        agree!(error, is_refused.then(|| refused(device)), "the release");
        let back = failure.as_ref().and_then(|failure| failure.handle());
        let of_device = back.map(PrimaryContext::device);
        agree!(of_device, comes_back.then(|| self.real(device)), "what came back");
        match failure {
            Some(failure) if comes_back && !give_up => {
                let back = failure.into_parts().1.expect("the handle that came back");
                self.handles.push(Handle::Plain(back));
            }
            failure => {
                drop(failure);
                self.model.handle(device, -1);
            }
        }
        Ok(())
    }

    fn adopt(&mut self, leaked: usize) -> Result<(), Disagreement> {
        if self.leaked.is_empty() {
            return Ok(());
        }
        let (device, raw) = self.leaked.swap_remove(leaked % self.leaked.len());
        // SAFETY: the context is the device's, and this reference was given away and not taken yet.
        // Somebody may have released it meanwhile: then the handle's own release is refused.
        let context =
            unsafe { PrimaryContext::from_raw(self.real(device), raw) }.map_err(unexpected)?;
        self.hold(device, Handle::Plain(context));
        Ok(())
    }

    /// Everything that can be seen, against the model.
    pub(super) fn compare(&self) -> Result<(), Disagreement> {
        let machine = &self.others.machine;
        for (ordinal, expected) in (0..).zip(&self.model.devices) {
            let device = machine.device(ordinal);
            let state = device.primary_context_state().map_err(unexpected)?;
            let seen = Device {
                references: machine.simulator.references(ordinal),
                active: state.active,
                greens: expected.greens,
                handles: device.handles().map_err(unexpected)?,
                generation: machine.simulator.generation(ordinal),
            };
            agree!(seen, *expected, format!("device {ordinal}"));
        }
        let seen = |&context: &Context| {
            let primary = matches!(context, Context::Primary(_));
            (self.model.device_of(context) as u32, primary, self.model.is_alive(context))
        };
        let expected: Vec<_> = self.model.stack.iter().map(seen).collect();
        let stack = machine.simulator.stack();
        let stack: Vec<_> =
            stack.iter().map(|entry| (entry.device, entry.is_primary, entry.alive)).collect();
        agree!(stack, expected, "the thread's stack");
        agree!(machine.simulator.underflows(), self.model.underflows, "releases too many");
        agree!(machine.driver.unreleased(), self.unreleased, "references not given back");
        Ok(())
    }

    pub(super) fn device(&self, number: usize) -> usize {
        number % self.model.devices.len()
    }

    fn real(&self, device: usize) -> cuda_primary_context::Device {
        self.others.machine.device(device as u32)
    }

    fn hold(&mut self, device: usize, handle: Handle) {
        self.model.handle(device, 1);
        self.handles.push(handle);
    }

    pub(super) fn take(&mut self, number: usize) -> Option<(usize, Handle)> {
        let index = number.checked_rem(self.handles.len())?;
        let handle = self.handles.swap_remove(index);
        Some((handle.context().device().ordinal() as usize, handle))
    }
}

pub(super) fn unexpected(error: Error) -> Disagreement {
    format!("unexpected: {error}")
}
