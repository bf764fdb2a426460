//! The driver that is measured: a simulated one, or what `CUDA_PRIMARY_CONTEXT_BENCH_DRIVER` names.

use std::env;
use std::path::PathBuf;

use cuda_primary_context::Driver;
use simulated_libcuda::{Call, Simulator};

use super::raw::Raw;
use super::safe::Safe;

/// The path of a driver library, or `real` for the installed one; unset for the simulated driver,
/// which is almost free, so that what the layer costs can be seen.
pub const DRIVER: &str = "CUDA_PRIMARY_CONTEXT_BENCH_DRIVER";

/// One driver, by all ways.
pub struct Machine {
    pub simulator: Option<Simulator>,
    pub safe: Safe,
    pub raw: Raw,
}

/// The library to measure instead of the simulator.
pub fn chosen_library() -> Option<PathBuf> {
    match env::var_os(DRIVER)? {
        real if real == "real" => Some("libcuda.so.1".into()),
        path => Some(path.into()),
    }
}

/// The chosen driver, or else a simulated one for each of these numbers of devices.
pub fn machines(devices: &[u32]) -> Vec<Machine> {
    match chosen_library() {
        Some(path) => vec![load(None, path)],
        None => devices.iter().map(|&devices| simulated(devices)).collect(),
    }
}

/// A simulated driver with this many devices.
pub fn simulated(devices: u32) -> Machine {
    let simulator = Simulator::builder().devices(devices).visible_devices(None).start();
    let path = simulator.path().to_owned();
    load(Some(simulator), path)
}

/// The driver library at this path, which `simulator` keeps alive.
fn load(simulator: Option<Simulator>, path: PathBuf) -> Machine {
    // SAFETY: it is the simulated driver, or one that was chosen by hand.
    let driver = unsafe { Driver::load_from(&path) }.unwrap_or_else(|error| panic!("{error}"));
    let raw = Raw::new(driver).expect("a driver with primary contexts");
    Machine { simulator, safe: Safe { driver }, raw }
}

impl Machine {
    pub fn devices(&self) -> u32 {
        self.safe.driver.device_count()
    }

    /// All devices but the kept one.
    pub fn others(&self) -> Vec<u32> {
        (0..self.devices()).filter(|&device| device != self.kept()).collect()
    }

    /// The device that benchmarks keep: not the first, where there are two.
    pub fn kept(&self) -> u32 {
        u32::from(self.devices() > 1)
    }

    /// Somebody else's references: one on each of these devices.
    pub fn stray(&self, devices: &[u32]) {
        for &ordinal in devices {
            self.raw.retain(self.raw.device(ordinal)).expect("the device can be retained");
        }
    }

    /// Somebody else's references go.
    pub fn clear(&self, devices: &[u32]) {
        for &ordinal in devices {
            self.raw.release(self.raw.device(ordinal)).expect("the device was retained");
        }
    }

    /// The ordinals that are active now.
    pub fn active(&self) -> Vec<u32> {
        let active = |&ordinal: &u32| self.raw.is_active(self.raw.device(ordinal));
        (0..self.devices()).filter(|ordinal| active(ordinal) == Ok(true)).collect()
    }

    /// What `action` calls, as `function@device`; nothing is known of a driver that is not the
    /// simulated one.
    pub fn calls_of(&self, action: impl FnOnce()) -> Option<Vec<String>> {
        let Some(simulator) = &self.simulator else {
            action();
            return None;
        };
        simulator.clear_calls();
        simulator.record_calls(true);
        action();
        simulator.record_calls(false);
        Some(simulator.calls().iter().map(Call::to_string).collect())
    }
}
