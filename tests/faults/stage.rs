//! A simulated machine on which one scene after the other is set, and what can be seen of it.

use std::cell::RefCell;
use std::ptr;

use cuda_primary_context::sys::{
    CUcontext, PFN_cuCtxCreate_v3020, PFN_cuCtxPushCurrent_v4000, functions,
};
use cuda_primary_context::{FunctionPointer, PrimaryContext};
use simulated_libcuda::{Builder, Knob, Simulator, StackEntry};

use super::loading::uuids_of;
use super::scene::Scene;
use super::truth::{Context, Primary};
use crate::support::{Machine, machine_from};

/// What `cuCtxGetDevice` answers with a destroyed context current: its device, as driver 580 does,
/// or a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadContext {
    Named,
    Unnamed,
}

type Raw<F> = <F as FunctionPointer>::Function;

pub struct Stage {
    pub machine: Machine,
    /// The unique id of each device, as the raw function told before any trial.
    pub uuids: Vec<[u8; 16]>,
    devices: u32,
    handles: Vec<PrimaryContext>,
    /// Living green contexts of each device.
    greens: RefCell<Vec<u32>>,
    /// One context of `cuCtxCreate` for each device that needed one.
    ordinary: RefCell<Vec<Option<CUcontext>>>,
    create: Raw<PFN_cuCtxCreate_v3020>,
    push: Raw<PFN_cuCtxPushCurrent_v4000>,
}

/// What can be seen from outside at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The primary context of each device.
    pub primaries: Vec<Primary>,
    /// Live handles by this crate's ledger, by device.
    pub handles: Vec<u32>,
    pub stack: Vec<StackEntry>,
    pub underflows: u64,
    /// What could not be given back.
    pub unreleased: u64,
    /// Driver calls so far.
    pub calls: u64,
}

impl View {
    pub fn references(&self) -> Vec<u32> {
        self.primaries.iter().map(|primary| primary.references).collect()
    }

    pub fn is_active(&self, device: u32) -> bool {
        self.primaries[device as usize].active
    }

    pub fn contexts(&self) -> Vec<Context> {
        self.stack.iter().map(Context::from).collect()
    }
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
        let machine = machine_from(builder);
        let driver = machine.driver;
        Self {
            create: driver.function(functions::cuCtxCreate_v3020).unwrap(),
            push: driver.function(functions::cuCtxPushCurrent_v4000).unwrap(),
            uuids: uuids_of(driver),
            machine,
            devices,
            handles: Vec::new(),
            greens: RefCell::new(vec![0; devices as usize]),
            ordinary: RefCell::new(vec![None; devices as usize]),
        }
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
        self.machine.simulator.clear_faults();
        for device in 0..self.devices {
            let condition = scene.condition(device);
            self.make(device, condition.primary(device));
            let alive = self.machine.device(device).handles().unwrap();
            assert_eq!(alive, condition.handles(device), "the ledger before a trial");
        }
        self.clear_stack();
        scene.stack.iter().for_each(|&context| self.push(context));
    }

    /// Makes a primary context so, by the hand of others.
    fn make(&self, device: u32, wanted: Primary) {
        let simulator = &self.machine.simulator;
        let now = self.primary(device);
        if now == wanted {
            return;
        }
        let orphaned = wanted.active && wanted.references == 0;
        if now.greens != wanted.greens || orphaned || now.active != (now.references > 0) {
            let greens = std::mem::take(&mut self.greens.borrow_mut()[device as usize]);
            self.machine.clear(device, greens);
            for _ in 0..wanted.greens.max(u32::from(orphaned)) {
                simulator.add_green_context(device);
            }
            self.greens.borrow_mut()[device as usize] = wanted.greens;
        }
        if orphaned {
            simulator.release_by_others(device);
            simulator.remove_green_context(device);
        }
        let references = simulator.references(device);
        for _ in wanted.references..references {
            simulator.release_by_others(device);
        }
        if references < wanted.references {
            simulator.retain_by_others(device, wanted.references - references);
        }
        assert_eq!(self.primary(device), wanted, "device {device} of a scene");
    }

    pub fn primary(&self, device: u32) -> Primary {
        let simulator = &self.machine.simulator;
        Primary {
            references: simulator.references(device),
            greens: self.greens.borrow()[device as usize],
            active: simulator.is_active(device),
        }
    }

    pub fn clear_stack(&self) {
        while !self.machine.simulator.stack().is_empty() {
            self.machine.simulator.set_current(None);
        }
    }

    /// Puts a context on the thread's stack, a primary one even if it is dead.
    fn push(&self, context: Context) {
        let ordinary = self.ordinary.borrow()[context.device as usize];
        match ordinary {
            Some(raw) => {
                // SAFETY: the handle is the driver's, of a context that is never destroyed.
                let code = unsafe { (self.push)(raw) };
                assert!(code.is_success(), "cuCtxPushCurrent_v2 answers {code}");
            }
            None => {
                let raw = self.make_ordinary(context.device);
                self.ordinary.borrow_mut()[context.device as usize] = Some(raw);
            }
        }
        if context.primary {
            self.machine.simulator.set_current(Some(context.device));
        }
    }

    /// Makes a context of `cuCtxCreate`, which is current then.
    fn make_ordinary(&self, device: u32) -> CUcontext {
        let mut raw = ptr::null_mut();
        let handle = self.machine.device(device).as_raw();
        // SAFETY: the out-parameter is ours, the handle is the driver's own.
        let code = unsafe { (self.create)(&mut raw, 0, handle) };
        assert!(code.is_success(), "cuCtxCreate_v2 answers {code}");
        raw
    }

    pub fn view(&self) -> View {
        let Machine { simulator, driver } = &self.machine;
        View {
            primaries: (0..self.devices).map(|device| self.primary(device)).collect(),
            handles: driver.devices().map(|device| device.handles().unwrap()).collect(),
            stack: simulator.stack(),
            underflows: simulator.underflows(),
            unreleased: driver.unreleased(),
            calls: simulator.total_calls(),
        }
    }
}
