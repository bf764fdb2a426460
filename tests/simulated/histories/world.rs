//! A simulated machine and its model, taken through a history together.

use std::cell::RefCell;

use cuda_primary_context::sys::{CUcontext, CUresult};
use cuda_primary_context::{Error, Outcome, Planned, PrimaryContext, PrimaryContextGuard, Report};
use simulated_libcuda::{Knob, Simulator};

use super::model::{Context, Device, Model, Release};
use super::operation::{Operation, Policy};
use super::others::destroy;
use crate::support::{Machine, machine_from};

pub struct World {
    pub(super) machine: Machine,
    pub(super) model: Model,
    pub(super) handles: Vec<PrimaryContext>,
    /// References that were given away: the device, and its context.
    given_away: Vec<(usize, CUcontext)>,
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

thread_local! {
    /// Machines that came through a history without a disagreement, for the next one.
    static MACHINES: RefCell<Vec<Machine>> = const { RefCell::new(Vec::new()) };
}

fn machine(devices: usize, names_dead: bool) -> Machine {
    let kept = MACHINES.with_borrow_mut(|machines| {
        let fits = |machine: &Machine| machine.driver.device_count() as usize == devices;
        machines.iter().position(fits).map(|index| machines.swap_remove(index))
    });
    let machine = kept.unwrap_or_else(|| {
        machine_from(Simulator::builder().devices(devices as u32).visible_devices(None))
    });
    machine.simulator.set_knob(Knob::GetDeviceOnDead, if names_dead { 0 } else { 201 });
    machine
}

pub fn unexpected(error: Error) -> Disagreement {
    format!("unexpected: {error}")
}

impl World {
    pub fn new(devices: usize, names_dead: bool) -> Self {
        let machine = machine(devices, names_dead);
        let simulator = &machine.simulator;
        let device = |ordinal| Device {
            references: 0,
            active: false,
            green_contexts: 0,
            handles: 0,
            generation: simulator.generation(ordinal),
        };
        let model = Model {
            devices: (0..devices as u32).map(device).collect(),
            ordinary: Vec::new(),
            stack: Vec::new(),
            names_dead,
            underflows: simulator.underflows(),
        };
        let unreleased = machine.driver.unreleased();
        let (handles, given_away, ordinary) = (Vec::new(), Vec::new(), Vec::new());
        Self { machine, model, handles, given_away, ordinary, unreleased }
    }

    /// Goes through the history, step by step, and compares after each; the number of steps.
    pub fn go_through(mut self, history: &[Operation]) -> Result<usize, Disagreement> {
        let steps = self.steps(history)?;
        let Self { machine, model, handles, ordinary, .. } = self;
        drop(handles);
        for (device, Device { green_contexts, .. }) in (0..).zip(&model.devices) {
            machine.clear(device, *green_contexts);
            agree!(machine.device(device).handles(), Ok(0), "handles at the end");
        }
        let living = ordinary.iter().zip(&model.ordinary).filter(|(_, (_, alive))| *alive);
        living.for_each(|(raw, _)| destroy(&machine, *raw));
        while !machine.simulator.stack().is_empty() {
            machine.simulator.set_current(None);
        }
        MACHINES.with_borrow_mut(|machines| machines.push(machine));
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
                self.hold(device, context);
            }
            Operation::RetainIfActive { device } => {
                let device = self.device(device);
                let context =
                    PrimaryContext::retain_if_active(self.real(device)).map_err(unexpected)?;
                agree!(context.is_some(), self.model.devices[device].active, "it found one");
                if let Some(context) = context {
                    self.model.retain(device, 1);
                    self.hold(device, context);
                }
            }
            Operation::Release { handle, give_up } => self.release(handle, give_up)?,
            Operation::Drop { handle } => {
                if let Some((device, handle)) = self.take(handle) {
                    drop(handle);
                    self.model.devices[device].handles -= 1;
                    self.model.release_and_undo(device);
                }
            }
            Operation::GiveAway { handle } => {
                if let Some((device, handle)) = self.take(handle) {
                    self.given_away.push((device, handle.into_raw()));
                    self.model.devices[device].handles -= 1;
                }
            }
            Operation::TakeOver { reference } => {
                if let Some(index) = reference.checked_rem(self.given_away.len()) {
                    let (device, raw) = self.given_away.swap_remove(index);
                    // SAFETY: the context is the device's, and this reference was given away and not taken
                    // yet. If somebody released it meanwhile, the handle's own release is refused.
                    let context = unsafe { PrimaryContext::from_raw(self.real(device), raw) };
                    self.hold(device, context.map_err(unexpected)?);
                }
            }
            Operation::RetainOnly { device, ref policy } => {
                let device = self.device(device);
                let stray = policy.stray_release(self.machine.driver);
                let guard = PrimaryContextGuard::retain_only_with(self.real(device), &stray);
                let (context, report) = guard.map_err(unexpected)?.into_parts();
                self.swept(&report, Some(device), policy)?;
                self.handles.push(context);
            }
            Operation::Run { ref policy } => {
                let driver = self.machine.driver;
                let report = policy.stray_release(driver).run(driver).map_err(unexpected)?;
                self.swept(&report, None, policy)?;
            }
            Operation::Plan { device, ref policy } => self.plan(device, policy)?,
            Operation::Audit => {
                for (device, state) in self.machine.driver.primary_contexts() {
                    let active = self.model.devices[device.ordinal() as usize].active;
                    agree!(state.map(|state| state.active), Ok(active), "the audit");
                }
            }
            Operation::SetCurrent { device } => {
                let device = device.map(|device| self.device(device));
                self.machine.simulator.set_current(device.map(|device| device as u32));
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

    /// What a report says, against the model.
    fn swept(
        &mut self,
        report: &Report,
        kept: Option<usize>,
        policy: &Policy,
    ) -> Result<(), Disagreement> {
        let (expected, switched) = self.model.sweep(kept, policy);
        let outcomes = report.devices().map(|line| match line.outcome() {
            Outcome::HeldHere { handles } => ("held_here", *handles),
            outcome => (outcome.kind(), outcome.releases()),
        });
        let outcomes: Vec<_> = outcomes.collect();
        agree!(outcomes, expected, "outcomes");
        let change = report.current_context();
        agree!(change.from().map(|from| from.ordinal()), switched, "the thread's context");
        agree!(change.error(), None, "the thread's context");
        // Without faults, the one failure is a release that finds no reference.
        let failed = (0..).zip(&expected).find(|(_, outcome)| outcome.0 == "failed");
        let error = failed.map(|(device, _)| refused(device));
        agree!(report.check().err(), error, "the result");
        Ok(())
    }

    fn plan(&mut self, device: Option<usize>, policy: &Policy) -> Result<(), Disagreement> {
        let device = device.map(|device| self.device(device));
        let driver = self.machine.driver;
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

    /// A release that finds no reference is refused. It hands the handle back if the context is active all
    /// the same.
    fn release(&mut self, handle: usize, give_up: bool) -> Result<(), Disagreement> {
        let Some((device, handle)) = self.take(handle) else { return Ok(()) };
        let failure = handle.release().err();
        let is_refused = self.model.release_and_undo(device) == Release::Refused;
        let comes_back = is_refused && self.model.devices[device].active;
        let error = failure.as_ref().map(|failure| failure.error().clone());
        agree!(error, is_refused.then(|| refused(device as u32)), "the release");
        let back = failure.as_ref().and_then(|failure| failure.handle());
        agree!(back.map(PrimaryContext::device), comes_back.then(|| self.real(device)), "it");
        match failure {
            Some(failure) if comes_back && !give_up => {
                self.handles.extend(failure.into_parts().1);
            }
            failure => {
                drop(failure);
                self.model.devices[device].handles -= 1;
            }
        }
        Ok(())
    }

    /// Everything that can be seen, against the model.
    pub(super) fn compare(&self) -> Result<(), Disagreement> {
        let simulator = &self.machine.simulator;
        for (ordinal, expected) in (0..).zip(&self.model.devices) {
            let device = self.machine.device(ordinal);
            let seen = Device {
                references: simulator.references(ordinal),
                active: device.primary_context_state().map_err(unexpected)?.active,
                green_contexts: expected.green_contexts,
                handles: device.handles().map_err(unexpected)?,
                generation: simulator.generation(ordinal),
            };
            agree!(seen, *expected, format!("device {ordinal}"));
        }
        let entry = |&context: &Context| {
            let is_primary = matches!(context, Context::Primary(_));
            (self.model.device_of(context) as u32, is_primary, self.model.is_alive(context))
        };
        let expected: Vec<_> = self.model.stack.iter().map(entry).collect();
        let stack = simulator.stack();
        let stack: Vec<_> =
            stack.iter().map(|entry| (entry.device, entry.is_primary, entry.alive)).collect();
        agree!(stack, expected, "the thread's stack");
        agree!(simulator.underflows(), self.model.underflows, "releases too many");
        agree!(self.machine.driver.unreleased(), self.unreleased, "references not given back");
        Ok(())
    }

    pub(super) fn device(&self, number: usize) -> usize {
        number % self.model.devices.len()
    }

    fn real(&self, device: usize) -> cuda_primary_context::Device {
        self.machine.device(device as u32)
    }

    fn hold(&mut self, device: usize, context: PrimaryContext) {
        self.model.devices[device].handles += 1;
        self.handles.push(context);
    }

    pub(super) fn take(&mut self, number: usize) -> Option<(usize, PrimaryContext)> {
        let index = number.checked_rem(self.handles.len())?;
        let handle = self.handles.swap_remove(index);
        Some((handle.device().ordinal() as usize, handle))
    }
}

/// The error of a release that found no reference.
fn refused(device: u32) -> Error {
    let code = CUresult::CUDA_ERROR_INVALID_CONTEXT;
    Error::Driver { call: "cuDevicePrimaryCtxRelease_v2", device: Some(device), code }
}
