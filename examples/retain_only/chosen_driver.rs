//! The driver that the options ask for, and the contexts created on it first, so that there is something to
//! release.

use std::env;

use cuda_primary_context::{Attempt, Driver, Error, PrimaryContext};
use simulated_libcuda::Simulator;

use crate::options::Options;
use crate::output::say;

const DEFAULT_DEVICES: u32 = 4;
/// Where a simulator has stray contexts unless the options say otherwise.
const STRAYS_ON_A_SIMULATOR: [u32; 2] = [0, 2];

pub struct ChosenDriver {
    driver: Driver,
    /// The simulator that this program started, if it did.
    simulator: Option<Simulator>,
}

impl ChosenDriver {
    pub fn choose(options: &Options) -> Result<Self, Error> {
        let devices = options.devices.unwrap_or(DEFAULT_DEVICES);
        match options.driver.to_str() {
            Some("real") => Driver::load().map(Self::loaded),
            Some("simulated") => Self::simulate(devices),
            Some("auto") => match Driver::load() {
                Ok(driver) => {
                    let path = driver.path().display();
                    say(&format!("using the driver {path}, which loads and has a device"));
                    Ok(Self::loaded(driver))
                }
                Err(error) => {
                    say(&match error {
                        Error::LibraryNotFound { .. } => {
                            "No CUDA driver was found: using the simulated driver.".to_owned()
                        }
                        error => format!("using the simulated driver, because {error}"),
                    });
                    Self::simulate(devices)
                }
            },
            // SAFETY: the user passed the file as a driver.
            _ => unsafe { Driver::load_from(&options.driver) }.map(Self::loaded),
        }
    }

    fn simulate(devices: u32) -> Result<Self, Error> {
        let simulator = Simulator::builder().devices(devices).try_start().map_err(|error| {
            let folder = env::temp_dir();
            let reason = format!("it cannot be written to {}: {error}", folder.display());
            Error::LibraryNotFound { tried: vec![Attempt::new("the simulator", reason)] }
        })?;
        // SAFETY: the simulator is a CUDA driver as far as the crate calls it.
        let driver = unsafe { Driver::load_from(simulator.path()) }?;
        Ok(Self { driver, simulator: Some(simulator) })
    }

    fn loaded(driver: Driver) -> Self {
        Self { driver, simulator: None }
    }

    pub fn driver(&self) -> Driver {
        self.driver
    }

    pub fn is_simulated(&self) -> bool {
        self.simulator.is_some()
    }

    /// Leaves one reference on the context of each of these devices, as a library would that used them and
    /// never released them. Returns those devices.
    pub fn leave_strays(&self, ordinals: Option<&[u32]>) -> Result<Vec<u32>, Error> {
        let ordinals: Vec<u32> = match ordinals {
            Some(ordinals) => ordinals.to_vec(),
            None if self.is_simulated() => {
                let there = |ordinal: &u32| *ordinal < self.driver.device_count();
                STRAYS_ON_A_SIMULATOR.into_iter().filter(there).collect()
            }
            None => Vec::new(),
        };
        let devices = ordinals.iter().map(|&ordinal| self.driver.device(ordinal));
        for device in devices.collect::<Result<Vec<_>, _>>()? {
            match &self.simulator {
                Some(simulator) => simulator.retain_by_others(device.ordinal(), 1),
                None => {
                    PrimaryContext::retain(device)?.into_raw();
                }
            }
        }
        Ok(ordinals)
    }
}
