//! A simulated machine on which one scene after the other is set, and what can be seen of it.

use cuda_primary_context::PrimaryContext;
use simulated_libcuda::{Builder, Knob, Simulator, StackEntry};

use super::scene::Scene;
use crate::support::{Machine, machine_from};

/// What `cuCtxGetDevice` answers with a destroyed context current: its device, as driver 580 does,
/// or a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadContext {
    Named,
    Unnamed,
}

pub struct Stage {
    pub machine: Machine,
    pub dead_context: DeadContext,
    devices: u32,
    handles: Vec<PrimaryContext>,
}

/// What can be seen from outside at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// References, by device.
    pub references: Vec<u32>,
    /// Live handles by this crate's ledger, by device.
    pub handles: Vec<u32>,
    pub stack: Vec<StackEntry>,
    pub underflows: u64,
    /// What Drop could not give back.
    pub unreleased: u64,
    /// Driver calls so far.
    pub calls: u64,
}

impl Stage {
    pub fn new(devices: u32, dead_context: DeadContext) -> Self {
        Self::from_builder(Simulator::builder(), devices, dead_context)
    }

    pub fn from_builder(builder: Builder, devices: u32, dead_context: DeadContext) -> Self {
        let answer = if dead_context == DeadContext::Named { 0 } else { 201 };
        let builder = builder
            .devices(devices)
            .visible_devices(None)
            .knob(Knob::GetDeviceOnDead, answer)
            // Nobody may go by what a refused call leaves in its outputs.
            .knob(Knob::SpoilOutputs, 1);
        Self { machine: machine_from(builder), dead_context, devices, handles: Vec::new() }
    }

    pub fn names_dead(&self) -> bool {
        self.dead_context == DeadContext::Named
    }

    /// Makes every device what the scene says, and the thread.
    pub fn set(&mut self, scene: &Scene) {
        assert_eq!(scene.devices(), self.devices);
        self.handles.clear();
        for device in 0..self.devices {
            for _ in 0..scene.condition(device).handles(device) {
                self.handles.push(PrimaryContext::retain(self.machine.device(device)).unwrap());
            }
        }
        self.restore(scene);
    }

    /// Makes everything what it was when the scene was set, whatever a trial left.
    pub fn restore(&self, scene: &Scene) {
        let simulator = &self.machine.simulator;
        simulator.clear_faults();
        for device in 0..self.devices {
            let condition = scene.condition(device);
            let wanted = condition.foreign(device) + condition.handles(device);
            let references = simulator.references(device);
            for _ in wanted..references {
                simulator.foreign_release(device);
            }
            if references < wanted {
                simulator.foreign_retain(device, wanted - references);
            }
            let alive = self.machine.device(device).handles().unwrap();
            assert_eq!(alive, condition.handles(device), "the ledger before a trial");
        }
        self.clear_stack();
        if scene.current.is_some() {
            simulator.set_current(scene.current);
        }
    }

    pub fn clear_stack(&self) {
        while !self.machine.simulator.stack().is_empty() {
            self.machine.simulator.set_current(None);
        }
    }

    pub fn view(&self) -> View {
        let Machine { simulator, driver } = &self.machine;
        View {
            references: self.machine.references(),
            handles: driver.devices().map(|device| device.handles().unwrap()).collect(),
            stack: simulator.stack(),
            underflows: simulator.underflows(),
            unreleased: driver.unreleased(),
            calls: simulator.total_calls(),
        }
    }
}
