//! A simulated machine and its model, taken through a history together.

use std::cell::RefCell;

use cuda_primary_context::sys::{CUcontext, CUresult};
use cuda_primary_context::{Error, Planned, PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::{Knob, Simulator};

use super::handle::Handle;
use super::model::{Device, Mistake, Model};
use super::operation::Operation;
use crate::support::{Machine, machine_from};

pub struct World {
    machine: Machine,
    model: Model,
    handles: Vec<Handle>,
    /// References that were given away: the device, and its context.
    leaked: Vec<(usize, CUcontext)>,
    /// What Drop could not give back, before.
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

thread_local! {
    /// Machines that came through a history without a disagreement, for the next one.
    static MACHINES: RefCell<Vec<(bool, Machine)>> = const { RefCell::new(Vec::new()) };
}

impl World {
    pub fn new(devices: usize, names_dead: bool, mistake: Mistake) -> Self {
        let kept = MACHINES.with_borrow_mut(|machines| {
            let fits = |(named, machine): &(bool, Machine)| {
                *named == names_dead && machine.driver.device_count() as usize == devices
            };
            let index = machines.iter().position(fits)?;
            Some(machines.swap_remove(index).1)
        });
        let machine = kept.unwrap_or_else(|| {
            let answer = if names_dead { 0 } else { 201 };
            let builder = Simulator::builder().devices(devices as u32).visible_devices(None);
            machine_from(builder.knob(Knob::GetDeviceOnDead, answer))
        });
        let Machine { simulator, driver } = &machine;
        let device = |ordinal| Device {
            references: 0,
            handles: 0,
            generation: simulator.generation(ordinal),
        };
        let model = Model {
            driver: *driver,
            devices: (0..devices as u32).map(device).collect(),
            stack: Vec::new(),
            names_dead,
            underflows: simulator.underflows(),
            mistake,
        };
        let unreleased = driver.unreleased();
        Self { machine, model, handles: Vec::new(), leaked: Vec::new(), unreleased }
    }

    /// Goes through the history, step by step, and compares after each; the number of steps.
    pub fn go_through(mut self, history: &[Operation]) -> Result<usize, Disagreement> {
        let steps = self.steps(history)?;
        let Self { machine, model, handles, .. } = self;
        drop(handles);
        for ordinal in 0..model.devices.len() as u32 {
            while machine.simulator.references(ordinal) > 0 {
                machine.simulator.foreign_release(ordinal);
            }
            agree!(machine.device(ordinal).handles(), Ok(0), "handles at the end");
        }
        while !machine.simulator.stack().is_empty() {
            machine.simulator.set_current(None);
        }
        MACHINES.with_borrow_mut(|machines| machines.push((model.names_dead, machine)));
        Ok(steps)
    }

    fn steps(&mut self, history: &[Operation]) -> Result<usize, Disagreement> {
        let mut steps = 0;
        for operation in history {
            steps += 1 + self.step(operation).map_err(|text| format!("{operation:?}\n{text}"))?;
            self.compare().map_err(|text| format!("after {operation:?}\n{text}"))?;
        }
        Ok(steps)
    }

    /// One step, and how many there were inside it.
    fn step(&mut self, operation: &Operation) -> Result<usize, Disagreement> {
        match operation {
            Operation::Retain { device } => {
                let device = self.device(*device);
                let context = PrimaryContext::retain(self.real(device)).map_err(unexpected)?;
                self.model.retain(device, 1);
                self.hold(device, Handle::Plain(context));
            }
            Operation::RetainIfActive { device } => {
                let device = self.device(*device);
                let active = self.model.devices[device].references > 0;
                let context =
                    PrimaryContext::retain_if_active(self.real(device)).map_err(unexpected)?;
                agree!(context.is_some(), active, "retain_if_active found one");
                if let Some(context) = context {
                    self.model.retain(device, 1);
                    self.hold(device, Handle::Plain(context));
                }
            }
            Operation::Release { handle } => self.release(*handle)?,
            Operation::Drop { handle } => {
                if let Some((device, handle)) = self.take(*handle) {
                    drop(handle);
                    self.model.handle(device, -1);
                    self.model.release(device);
                }
            }
            Operation::Leak { handle } => {
                if let Some((device, handle)) = self.take(*handle) {
                    self.leaked.push((device, handle.into_context().leak()));
                    self.model.leak(device);
                }
            }
            Operation::Adopt { leaked } => self.adopt(*leaked)?,
            Operation::RetainOnly { device, policy } => {
                let device = self.device(*device);
                let stale = policy.stale_release(self.machine.driver);
                let guard = PrimaryContextGuard::retain_only_with(self.real(device), &stale)
                    .map_err(unexpected)?;
                let (outcomes, change) = self.model.retain_only(device, policy);
                let report = guard.report();
                let told: Vec<_> = report.devices().map(|line| line.outcome()).collect();
                agree!(told, outcomes, "outcomes");
                agree!(report.current_context(), change, "the thread's context");
                agree!(report.into_result(), Ok(()), "the result");
                self.handles.push(Handle::Guard(guard));
            }
            Operation::Plan { device, policy } => {
                let device = self.device(*device);
                let stale = policy.stale_release(self.machine.driver);
                let plan = stale.plan(self.real(device)).map_err(unexpected)?;
                let planned: Vec<Planned> = plan.devices().map(|(_, planned)| planned).collect();
                agree!(planned, self.model.plan(device, policy), "the plan");
            }
            Operation::Audit => {
                for (device, state) in self.machine.driver.primary_contexts() {
                    let active = self.model.devices[device.ordinal() as usize].references > 0;
                    agree!(state.map(|state| state.active), Ok(active), "the audit");
                }
            }
            Operation::SetCurrent { device } => {
                let device = device.map(|device| self.device(device));
                self.machine.simulator.set_current(device.map(|device| device as u32));
                self.model.set_current(device);
            }
            Operation::Scope { handle, leave, inside } => {
                return self.scope(*handle, *leave, inside);
            }
            Operation::ForeignRetain { device, references } => {
                let device = self.device(*device);
                self.machine.simulator.foreign_retain(device as u32, *references);
                self.model.retain(device, *references);
            }
            Operation::ForeignRelease { device } => {
                let device = self.device(*device);
                self.machine.simulator.foreign_release(device as u32);
                self.model.release(device);
            }
        }
        Ok(0)
    }

    /// A release that finds no reference is refused, and hands the handle back.
    fn release(&mut self, handle: usize) -> Result<(), Disagreement> {
        let Some((device, handle)) = self.take(handle) else { return Ok(()) };
        let (error, back) = match handle.release() {
            Ok(()) => (None, None),
            Err((error, back)) => (Some(error), Some(back)),
        };
        let refused = Error::Driver {
            call: "cuDevicePrimaryCtxRelease_v2",
            device: Some(device as u32),
            code: CUresult::CUDA_ERROR_INVALID_CONTEXT,
        };
        let expected = (!self.model.release(device)).then_some(refused);
        agree!(error, expected, "the release");
        match back {
            Some(back) => self.handles.push(*back),
            None => self.model.handle(device, -1),
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
            unsafe { PrimaryContext::adopt(self.real(device), raw) }.map_err(unexpected)?;
        self.hold(device, Handle::Plain(context));
        Ok(())
    }

    /// A scope pops what is on top, whoever put it there.
    fn scope(
        &mut self,
        handle: usize,
        leave: bool,
        inside: &[Operation],
    ) -> Result<usize, Disagreement> {
        let Some((device, handle)) = self.take(handle) else { return Ok(0) };
        let scope = handle.context().make_current().map_err(unexpected)?;
        self.model.stack.push(device);
        self.compare()?;
        let steps = self.steps(inside)?;
        let popped = self.model.stack.pop().is_some();
        match leave {
            true => agree!(scope.leave().is_ok(), popped, "leaving the scope"),
            false => drop(scope),
        }
        self.handles.push(handle);
        Ok(steps)
    }

    /// Everything that can be seen, against the model.
    fn compare(&self) -> Result<(), Disagreement> {
        let Machine { simulator, driver } = &self.machine;
        for (ordinal, expected) in (0..).zip(&self.model.devices) {
            let device = self.machine.device(ordinal);
            let seen = Device {
                references: simulator.references(ordinal),
                handles: device.handles().map_err(unexpected)?,
                generation: simulator.generation(ordinal),
            };
            agree!(seen, *expected, format!("device {ordinal}"));
            let state = device.primary_context_state().map_err(unexpected)?;
            agree!(state.active, expected.references > 0, format!("device {ordinal} is active"));
        }
        let alive = |&device: &usize| (device, self.model.devices[device].references > 0);
        let expected: Vec<_> = self.model.stack.iter().map(alive).collect();
        let stack = simulator.stack();
        let stack: Vec<_> =
            stack.iter().map(|entry| (entry.device as usize, entry.alive)).collect();
        agree!(stack, expected, "the thread's stack");
        agree!(simulator.underflows(), self.model.underflows, "releases too many");
        agree!(driver.unreleased(), self.unreleased, "references not given back");
        Ok(())
    }

    fn device(&self, number: usize) -> usize {
        number % self.model.devices.len()
    }

    fn real(&self, device: usize) -> cuda_primary_context::Device {
        self.machine.device(device as u32)
    }

    fn hold(&mut self, device: usize, handle: Handle) {
        self.model.handle(device, 1);
        self.handles.push(handle);
    }

    fn take(&mut self, number: usize) -> Option<(usize, Handle)> {
        let index = number.checked_rem(self.handles.len())?;
        let handle = self.handles.swap_remove(index);
        Some((handle.context().device().ordinal() as usize, handle))
    }
}

fn unexpected(error: Error) -> Disagreement {
    format!("unexpected: {error}")
}
