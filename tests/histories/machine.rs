//! The machines of histories, and what others in the process do on them.

use std::cell::RefCell;
use std::ptr;

use cuda_primary_context::FunctionPointer;
use cuda_primary_context::sys::{
    CUcontext, PFN_cuCtxCreate_v3020, PFN_cuCtxDestroy_v4000, functions,
};
use simulated_libcuda::{Knob, Simulator};

use super::operation::Operation;
use super::world::World;
use crate::support::{Machine, machine_from};

type Raw<F> = <F as FunctionPointer>::Function;

/// A machine, and the raw functions that others use on it.
pub struct Others {
    pub machine: Machine,
    names_dead: bool,
    create: Raw<PFN_cuCtxCreate_v3020>,
    destroy: Raw<PFN_cuCtxDestroy_v4000>,
}

thread_local! {
    /// Machines that came through a history without a disagreement, for the next one.
    static MACHINES: RefCell<Vec<Others>> = const { RefCell::new(Vec::new()) };
}

impl Others {
    pub fn new(devices: usize, names_dead: bool) -> Self {
        let kept = MACHINES.with_borrow_mut(|machines| {
            let fits = |others: &Others| {
                let count = others.machine.driver.device_count() as usize;
                others.names_dead == names_dead && count == devices
            };
            let index = machines.iter().position(fits)?;
            Some(machines.swap_remove(index))
        });
        kept.unwrap_or_else(|| {
            let answer = if names_dead { 0 } else { 201 };
            let builder = Simulator::builder().devices(devices as u32).visible_devices(None);
            let machine = machine_from(builder.knob(Knob::GetDeviceOnDead, answer));
            let create = machine.driver.function(functions::cuCtxCreate_v3020).unwrap();
            let destroy = machine.driver.function(functions::cuCtxDestroy_v4000).unwrap();
            Self { machine, names_dead, create, destroy }
        })
    }

    /// Keeps the machine for another history.
    pub fn keep(self) {
        MACHINES.with_borrow_mut(|machines| machines.push(self));
    }

    /// Makes a context of `cuCtxCreate`, which is current then.
    pub fn create(&self, device: usize) -> CUcontext {
        let mut raw = ptr::null_mut();
        let handle = self.machine.device(device as u32).as_raw();
        // SAFETY: the out-parameter is ours, the handle is the driver's own.
        let code = unsafe { (self.create)(&mut raw, 0, handle) };
        assert!(code.is_success(), "cuCtxCreate_v2 answers {code}");
        raw
    }

    pub fn destroy(&self, raw: CUcontext) {
        // SAFETY: the handle is a living context of `create`, and nothing uses it.
        let code = unsafe { (self.destroy)(raw) };
        assert!(code.is_success(), "cuCtxDestroy_v2 answers {code}");
    }
}

impl World {
    /// What others do.
    pub(super) fn others(&mut self, operation: &Operation) {
        let simulator = &self.others.machine.simulator;
        match *operation {
            Operation::OtherRetains { device, references } => {
                let device = self.device(device);
                simulator.retain_by_others(device as u32, references);
                self.model.retain(device, references);
            }
            Operation::OtherReleases { device } => {
                let device = self.device(device);
                simulator.release_by_others(device as u32);
                self.model.release(device);
            }
            Operation::AddGreen { device } => {
                let device = self.device(device);
                simulator.add_green_context(device as u32);
                self.model.add_green(device);
            }
            Operation::RemoveGreen { device } => {
                let device = self.device(device);
                if self.model.devices[device].greens > 0 {
                    simulator.remove_green_context(device as u32);
                    self.model.remove_green(device);
                }
            }
            Operation::Create { device } => {
                let device = self.device(device);
                self.ordinary.push(self.others.create(device));
                self.model.make_ordinary(device);
            }
            Operation::Destroy { context } => {
                let alive = |number: &usize| self.model.ordinary[*number].1;
                let living: Vec<usize> = (0..self.ordinary.len()).filter(alive).collect();
                if let Some(index) = context.checked_rem(living.len()) {
                    self.others.destroy(self.ordinary[living[index]]);
                    self.model.destroy_ordinary(living[index]);
                }
            }
            _ => unreachable!("{operation:?} is this crate's"),
        }
    }
}
