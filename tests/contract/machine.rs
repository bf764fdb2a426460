//! The drivers that the suite runs on.

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Driver, Error};
use simulated_libcuda::Simulator;

use crate::support::driver_library::{Library, Returned, call};

pub enum Kind {
    Simulated { devices: u32 },
    Library(PathBuf),
}

/// A driver that is loaded when a check first needs it: some have to do things before.
pub struct Machine {
    kind: Kind,
    simulator: OnceCell<Simulator>,
}

impl Machine {
    pub fn new(kind: Kind) -> Self {
        Self { kind, simulator: OnceCell::new() }
    }

    pub fn path(&self) -> &Path {
        match &self.kind {
            Kind::Library(path) => path,
            Kind::Simulated { devices } => {
                let start = || Simulator::builder().devices(*devices).start();
                self.simulator.get_or_init(start).path()
            }
        }
    }

    /// The library, loaded and not initialised.
    pub fn load(&self) -> Library {
        Library::open(self.path())
    }

    /// The library, initialised, for checks that need a device.
    pub fn initialised(&self) -> Library {
        let library = self.load();
        assert_eq!(library.init(), Returned::Code(CUresult::CUDA_SUCCESS), "cuInit");
        library
    }

    /// The crate's driver, for checks that need a device.
    pub fn driver(&self) -> Driver {
        self.try_driver().expect("the driver loads")
    }

    /// The crate's driver, or why there is none.
    pub fn try_driver(&self) -> Result<Driver, Error> {
        // SAFETY: the library is the simulator, or the user named it as a driver.
        unsafe { Driver::load_from(self.path()) }
    }

    /// Writes what there is to know about the driver.
    pub fn probe(&self) {
        let library = self.load();
        let mut version = 0;
        call!(library, cuDriverGetVersion_v2020(&mut version));
        let simulated = library.symbol(c"simulated_cuda_version").is_some();
        let devices = match library.init() {
            Returned::Code(CUresult::CUDA_SUCCESS) => library.device_count(),
            Returned::Code(CUresult::CUDA_ERROR_NO_DEVICE) => 0,
            result => panic!("cuInit returns {result}"),
        };
        let green = library.symbol(c"cuGreenCtxCreate").is_some();
        let path = self.path().display();
        eprintln!("probe\t{simulated}\t{green}\t{version}\t{devices}\t{path}");
    }
}

/// What a check needs.
pub struct Needs {
    pub devices: u32,
    /// They came with CUDA 12.4.
    pub green_contexts: bool,
}

/// What there is to know about a driver before a check runs.
pub struct Probe {
    pub simulated: bool,
    green_contexts: bool,
    pub version: i32,
    pub devices: u32,
    path: String,
}

impl Probe {
    pub fn read(output: &str) -> Self {
        let line = output.lines().find_map(|line| line.strip_prefix("probe\t"));
        let fields: Vec<&str> = line.expect("a probe writes a line").split('\t').collect();
        let [simulated, green, version, devices, path] = fields[..] else { panic!("{fields:?}") };
        Self {
            simulated: simulated == "true",
            green_contexts: green == "true",
            version: version.parse().expect("a version"),
            devices: devices.parse().expect("a count"),
            path: path.to_owned(),
        }
    }

    /// Why a check with these needs cannot run, if it cannot.
    pub fn lacks(&self, needs: &Needs) -> Option<String> {
        let needed = needs.devices;
        match (needed > self.devices, self.devices) {
            (false, _) if needs.green_contexts && !self.green_contexts => {
                Some("they need green contexts: the driver lacks cuGreenCtxCreate".to_owned())
            }
            (false, _) => None,
            (true, 0) => Some("they need a device: cuInit returns 100".to_owned()),
            (true, 1) => Some("they need two devices: there is one".to_owned()),
            (true, there) => Some(format!("they need {needed} devices: there are {there}")),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { simulated, version, devices, path, .. } = self;
        let (major, minor) = (version / 1000, version % 1000 / 10);
        let name = if *simulated { "the simulator" } else { path };
        let devices = match devices {
            0 => "no device".to_owned(),
            1 => "one device".to_owned(),
            several => format!("{several} devices"),
        };
        write!(formatter, "{name} with {devices}, CUDA {major}.{minor}")
    }
}
