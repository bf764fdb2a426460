//! A simulated driver of a test's own, and the words most tests need about it.
#![allow(dead_code, unused_imports, unused_macros, reason = "each test binary uses its part")]

pub mod driver_library;
pub mod examples;
pub mod libraries;
pub mod namespaces;
pub mod processes;
pub mod skips;
pub mod stopped;
pub mod targets;
pub mod watchdog;

use std::path::Path;

use cuda_primary_context::sys::{CUcontext, functions};
use cuda_primary_context::{
    Device, Driver, Error, Outcome, PrimaryContext, PrimaryContextGuard, Report, StrayRelease,
};
use simulated_libcuda::{Builder, Call, Fault, Simulator};

pub const RETAIN: &str = "cuDevicePrimaryCtxRetain";
pub const GET_STATE: &str = "cuDevicePrimaryCtxGetState";
pub const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";

/// A simulator and the driver loaded from it.
pub struct Machine {
    pub simulator: Simulator,
    pub driver: Driver,
}

/// A machine with this many devices, none of them active.
pub fn machine(devices: u32) -> Machine {
    machine_from(Simulator::builder().devices(devices).visible_devices(None))
}

/// A machine with as many devices as there are numbers, and so many references of somebody else on each.
pub fn machine_with(references: &[u32]) -> Machine {
    let machine = machine(references.len() as u32);
    machine.stray(references);
    machine
}

pub fn machine_from(builder: Builder) -> Machine {
    let simulator = builder.start();
    let driver = load(simulator.path()).expect("the simulator loads");
    Machine { simulator, driver }
}

/// Loads a driver library that a test made or names.
pub fn load(path: impl AsRef<Path>) -> Result<Driver, Error> {
    // SAFETY: tests load simulators, NVIDIA's own library, and libraries that are no driver and lack
    // the functions.
    unsafe { Driver::load_from(path) }
}

impl Machine {
    pub fn device(&self, ordinal: u32) -> Device {
        self.driver.device(ordinal).expect("the machine has the device")
    }

    pub fn retain(&self, ordinal: u32) -> PrimaryContext {
        PrimaryContext::retain(self.device(ordinal)).expect("the device can be retained")
    }

    /// The next call of this function returns this code, and does nothing.
    pub fn refuse(&self, function: &str, code: u32) {
        self.simulator.inject(Fault::of(function, 1).code(code).refused().once());
    }

    /// As [`refuse`](Self::refuse), of the calls for this device.
    pub fn refuse_for(&self, device: u32, function: &str, code: u32) {
        let fault = Fault::of(function, 1).device(device).code(code);
        self.simulator.inject(fault.refused().once());
    }

    pub fn references(&self) -> Vec<u32> {
        (0..self.driver.device_count()).map(|device| self.simulator.references(device)).collect()
    }

    /// Leaves references of somebody else on these devices.
    pub fn stray(&self, references: &[u32]) {
        for (device, references) in (0..).zip(references) {
            self.simulator.retain_by_others(device, *references);
        }
    }

    /// Makes a primary context inactive on which this many green contexts live. One whose reference
    /// somebody took is given another, so that the context goes with it.
    pub fn clear(&self, device: u32, greens: u32) {
        let simulator = &self.simulator;
        for _ in 0..greens {
            if simulator.references(device) == 0 {
                simulator.retain_by_others(device, 1);
            }
            simulator.remove_green_context(device);
        }
        if simulator.is_active(device) && simulator.references(device) == 0 {
            simulator.retain_by_others(device, 1);
        }
        while simulator.references(device) > 0 {
            simulator.release_by_others(device);
        }
    }

    /// Makes a context of `cuCtxCreate` on this device, which is current then.
    pub fn create_context(&self, device: u32) -> CUcontext {
        let create = self.driver.function(functions::cuCtxCreate_v3020).unwrap();
        let mut context = std::ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours, the device handle is the driver's own.
        let code = unsafe { create(&mut context, 0, self.device(device).as_raw()) };
        assert!(code.is_success(), "{code}");
        context
    }

    /// What `action` calls, as `function@device`.
    pub fn calls_of(&self, action: impl FnOnce()) -> Vec<String> {
        self.simulator.clear_calls();
        self.simulator.record_calls(true);
        action();
        self.simulator.record_calls(false);
        self.simulator.calls().iter().map(Call::to_string).collect()
    }
}

/// The policy with this bound.
pub fn releases_up_to(releases: u32) -> StrayRelease {
    // SAFETY: nothing uses an object of a simulated context that a test releases.
    unsafe { StrayRelease::new().releases_up_to(releases) }
}

/// The outcomes of a guard's report, in the order of the ordinals.
pub fn outcomes(guard: &PrimaryContextGuard) -> Vec<Outcome> {
    outcomes_of(guard.report())
}

pub fn outcomes_of(report: &Report) -> Vec<Outcome> {
    report.devices().map(|device| device.outcome().clone()).collect()
}
