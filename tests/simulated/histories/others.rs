//! What others in the process do.

use cuda_primary_context::sys::{CUcontext, functions};

use super::model::Context;
use super::operation::Operation;
use super::world::World;
use crate::support::Machine;

impl World {
    /// A step of somebody else.
    pub(super) fn others(&mut self, operation: &Operation) {
        let simulator = &self.machine.simulator;
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
                self.model.retain(device, 1);
                self.model.devices[device].green_contexts += 1;
            }
            Operation::RemoveGreen { device } => {
                let device = self.device(device);
                if self.model.devices[device].green_contexts > 0 {
                    simulator.remove_green_context(device as u32);
                    self.model.remove_green(device);
                }
            }
            Operation::Create { device } => {
                let device = self.device(device);
                self.ordinary.push(self.machine.create_context(device as u32));
                self.model.stack.push(Context::Ordinary(self.model.ordinary.len()));
                self.model.ordinary.push((device, true));
            }
            Operation::Destroy { context } => {
                let alive = |number: &usize| self.model.ordinary[*number].1;
                let living: Vec<usize> = (0..self.ordinary.len()).filter(alive).collect();
                if let Some(index) = context.checked_rem(living.len()) {
                    let number = living[index];
                    destroy(&self.machine, self.ordinary[number]);
                    self.model.ordinary[number].1 = false;
                    // It is taken off the stack only if it is on top.
                    if self.model.stack.last() == Some(&Context::Ordinary(number)) {
                        self.model.stack.pop();
                    }
                }
            }
            _ => unreachable!("{operation:?} is this crate's"),
        }
    }
}

pub fn destroy(machine: &Machine, context: CUcontext) {
    let destroy = machine.driver.function(functions::cuCtxDestroy_v4000).unwrap();
    // SAFETY: the handle is a living context of `cuCtxCreate`, and nothing uses it.
    let code = unsafe { destroy(context) };
    assert!(code.is_success(), "cuCtxDestroy_v2 returned {code}");
}
