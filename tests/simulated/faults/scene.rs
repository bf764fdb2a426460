//! What an operation finds: the references to each device's context, the thread's stack, the policy.

use std::cell::RefCell;

use cuda_primary_context::sys::{CUcontext, functions};
use cuda_primary_context::{Device, Planned, PrimaryContext, StrayRelease};
use simulated_libcuda::{Knob, Simulator};

use crate::support::{Machine, machine_from, releases_up_to};

/// Who holds a device's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holders {
    pub others: u32,
    /// Live handles of this crate.
    pub handles: u32,
    pub green_contexts: u32,
    /// Somebody took a green context's reference, and the green context was destroyed: the context is active
    /// and nobody holds it.
    pub is_orphan: bool,
}

const fn held_by(others: u32, handles: u32, green_contexts: u32) -> Holders {
    Holders { others, handles, green_contexts, is_orphan: false }
}

/// Every kind of device, the inactive one first.
pub const KINDS: [Holders; 7] = [
    held_by(0, 0, 0),
    held_by(1, 0, 0),
    held_by(3, 0, 0),
    held_by(1, 2, 0),
    held_by(0, 0, 1),
    held_by(1, 0, 1),
    Holders { is_orphan: true, ..held_by(0, 0, 0) },
];

/// A context on the thread's stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Current {
    /// The device's primary context, dead or alive.
    Primary(u32),
    /// One of `cuCtxCreate`.
    Ordinary(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    pub devices: Vec<Holders>,
    /// The bottom first.
    pub stack: Vec<Current>,
    /// The device that a sweep retains, or none.
    pub kept: Option<u32>,
    /// A device that the policy keeps.
    pub keeps: Option<u32>,
    pub releases: u32,
}

impl Scene {
    pub fn new(devices: &[Holders]) -> Self {
        Self { devices: devices.to_vec(), stack: Vec::new(), kept: None, keeps: None, releases: 1 }
    }

    /// Whether a sweep may release there.
    pub fn is_stray(&self, device: u32) -> bool {
        let is_kept = self.kept == Some(device) || self.keeps == Some(device);
        !is_kept && self.devices[device as usize].handles == 0
    }

    /// What a dry run finds.
    pub fn planned(&self, device: u32) -> Planned {
        let Holders { others, handles, green_contexts, is_orphan } = self.devices[device as usize];
        let is_active = others + handles + green_contexts > 0 || is_orphan;
        match self.releases {
            _ if self.kept == Some(device) => Planned::Keep,
            _ if self.keeps == Some(device) => Planned::LeaveAlone,
            _ if !is_active => Planned::AlreadyInactive,
            _ if handles > 0 => Planned::HeldHere { handles },
            0 => Planned::LeaveActive,
            at_most => Planned::Release { at_most },
        }
    }

    /// The outcome of a sweep in which no call fails, and its number of releases or handles.
    pub fn outcome(&self, device: u32) -> (&'static str, u32) {
        let at_most = match self.planned(device) {
            Planned::Release { at_most } => at_most,
            Planned::Keep => return ("kept", 0),
            Planned::LeaveAlone => return ("left_alone", 0),
            Planned::AlreadyInactive => return ("already_inactive", 0),
            Planned::HeldHere { handles } => return ("held_here", handles),
            _ => return ("still_active", 0),
        };
        let Holders { others, green_contexts, .. } = self.devices[device as usize];
        match (others + green_contexts, green_contexts) {
            // Nobody holds what is active all the same: the release is refused.
            (0, _) => ("failed", 0),
            (references, _) if at_most < references => ("still_active", at_most),
            (references, 0) => ("released", references),
            // The last release takes a green context's reference, and gives it back.
            (references, _) => ("held_by_green_context", references - 1),
        }
    }
}

/// A machine on which one scene after the other is set.
pub struct Stage {
    pub machine: Machine,
    handles: RefCell<Vec<PrimaryContext>>,
    green_contexts: RefCell<Vec<u32>>,
    /// A context of `cuCtxCreate` on each device that needed one.
    ordinary: RefCell<Vec<Option<CUcontext>>>,
}

impl Stage {
    pub fn new(devices: u32) -> Self {
        let builder = Simulator::builder().devices(devices).visible_devices(None);
        // Nobody may go by what a refused call leaves in its outputs.
        let machine = machine_from(builder.knob(Knob::SpoilOutputs, 1));
        Self {
            machine,
            handles: RefCell::default(),
            green_contexts: RefCell::new(vec![0; devices as usize]),
            ordinary: RefCell::new(vec![None; devices as usize]),
        }
    }

    /// Makes everything what the scene says, whatever was before.
    pub fn set(&self, scene: &Scene) {
        let simulator = &self.machine.simulator;
        simulator.clear_faults();
        self.handles.borrow_mut().clear();
        for (device, holders) in (0..).zip(&scene.devices) {
            let green_contexts = &mut self.green_contexts.borrow_mut()[device as usize];
            self.machine.clear(device, *green_contexts);
            for _ in 0..holders.handles {
                self.handles.borrow_mut().push(self.machine.retain(device));
            }
            simulator.retain_by_others(device, holders.others);
            (0..holders.green_contexts).for_each(|_| simulator.add_green_context(device));
            *green_contexts = holders.green_contexts;
            if holders.is_orphan {
                simulator.add_green_context(device);
                simulator.release_by_others(device);
                simulator.remove_green_context(device);
            }
        }
        self.clear_stack();
        scene.stack.iter().for_each(|&current| self.push(current));
    }

    pub fn clear_stack(&self) {
        while !self.machine.simulator.stack().is_empty() {
            self.machine.simulator.set_current(None);
        }
    }

    pub fn policy(&self, scene: &Scene) -> StrayRelease {
        let kept: Option<Device> = scene.keeps.map(|device| self.machine.device(device));
        releases_up_to(scene.releases).keep(kept)
    }

    fn push(&self, current: Current) {
        let (Current::Primary(device) | Current::Ordinary(device)) = current;
        let known = self.ordinary.borrow()[device as usize];
        match known {
            Some(context) => {
                let push = self.machine.driver.function(functions::cuCtxPushCurrent_v4000).unwrap();
                // SAFETY: the handle is the driver's, of a context that is never destroyed.
                assert!(unsafe { push(context) }.is_success());
            }
            None => {
                let context = self.machine.create_context(device);
                self.ordinary.borrow_mut()[device as usize] = Some(context);
            }
        }
        if let Current::Primary(device) = current {
            self.machine.simulator.set_current(Some(device));
        }
    }
}
