//! What a simulated driver is like before anybody calls it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use crate::client_command::ClientCommand;
use crate::control::Controls;
use crate::knob::Knob;
use crate::library;
use crate::private_directory::PrivateDirectory;
use crate::simulator::Simulator;

/// Settings of a [`Simulator`]. Made by [`Simulator::builder`]. [`Knob::HandlesAreOrdinals`] is 0 in it.
#[derive(Clone, Debug)]
#[must_use = "nothing runs until start"]
pub struct Builder {
    devices: u32,
    driver_version: u32,
    /// Outside: whether they are set here; inside: the list, or all.
    visible_devices: Option<Option<String>>,
    knobs: Vec<String>,
    without: Vec<String>,
    /// Further environment variables.
    settings: Vec<(&'static str, OsString)>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let builder = Self {
            devices: 1,
            driver_version: 13000,
            visible_devices: None,
            knobs: Vec::new(),
            without: Vec::new(),
            settings: Vec::new(),
        };
        builder.knob(Knob::HandlesAreOrdinals, 0)
    }

    /// Devices on the machine, 1 by default and 4096 at most. With none, `cuInit` returns 100.
    pub fn devices(mut self, devices: u32) -> Self {
        self.devices = devices;
        self
    }

    /// What `cuDriverGetVersion` returns, 13000 by default. Functions that came later are absent,
    /// from `dlsym` and from `cuGetProcAddress` alike.
    pub fn driver_version(mut self, version: u32) -> Self {
        self.driver_version = version;
        self
    }

    /// A value of `CUDA_VISIBLE_DEVICES` for this driver alone, and `None` for all devices. Without
    /// this the driver reads the process's own variable at `cuInit`, as the real one does.
    pub fn visible_devices(mut self, list: Option<&str>) -> Self {
        self.visible_devices = Some(list.map(str::to_owned));
        self
    }

    /// Sets a knob.
    pub fn knob(mut self, knob: Knob, value: u64) -> Self {
        self.knobs.push(format!("{}={value}", knob.name()));
        self
    }

    /// Leaves functions out, by their exported symbols: neither `dlsym` nor `cuGetProcAddress` finds
    /// them.
    pub fn without(mut self, symbols: &[&str]) -> Self {
        self.without.extend(symbols.iter().map(|&symbol| symbol.to_owned()));
        self
    }

    /// Makes it the stub that toolkits ship for the linker: every call returns 34. That is a
    /// [`Fault`](crate::Fault): [`Simulator::faults_fired`] counts these calls, and after
    /// [`Simulator::clear_faults`] the library is a driver.
    pub fn stub(mut self) -> Self {
        self.settings.push(("SIMULATED_CUDA_FAULT", "any:1:34:refused:from_then_on".into()));
        self
    }

    /// The file of the machine that this driver is on, which is made where there is none: processes of
    /// one machine see one another's memory, and may suspend and resume one another by the
    /// `cuCheckpointProcess…` functions. Without it this process and its children are alone. Give every
    /// driver of a machine the same number of devices, and show each process what it may see by
    /// [`visible_devices`](Self::visible_devices).
    pub fn machine(mut self, file: impl Into<PathBuf>) -> Self {
        self.settings.push(("SIMULATED_CUDA_MACHINE", file.into().into()));
        self
    }

    /// Writes the private copy and loads it.
    ///
    /// # Panics
    ///
    /// If the temporary directory or the copy cannot be written or loaded, and if a setting is out of range or
    /// names an unknown function.
    #[track_caller]
    pub fn start(self) -> Simulator {
        match self.try_start() {
            Ok(simulator) => simulator,
            Err(error) => panic!("the simulated driver does not start: {error}"),
        }
    }

    /// Writes the private copy and loads it.
    ///
    /// # Errors
    ///
    /// Where [`start`](Self::start) panics.
    pub fn try_start(self) -> io::Result<Simulator> {
        let (directory, path) = self.write()?;
        let controls = Controls::load(&path)?;
        let forgotten = (controls.forget_settings)();
        assert!(forgotten != 0, "a library that was just loaded is initialised");
        for (name, value) in self.settings() {
            controls.set(name, &value)?;
        }
        if let Some(list) = &self.visible_devices {
            let all = || (0..self.devices).map(|device| format!("{device},")).collect();
            controls.set("CUDA_VISIBLE_DEVICES", list.clone().unwrap_or_else(all).as_ref())?;
        }
        Ok(Simulator::new(directory, path, controls))
    }

    /// Returns a command that runs on a copy of its own, in its own folder, and logs its calls there. It gets
    /// the settings made here, and [more](ClientCommand). `CUDA_VISIBLE_DEVICES` is removed from its
    /// environment, unless [`visible_devices`](Self::visible_devices) gave a value.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    #[track_caller]
    pub fn command(self, program: impl AsRef<OsStr>) -> ClientCommand {
        let command = self.write().and_then(|(directory, path)| {
            let visible_devices = self.visible_devices.clone().flatten();
            ClientCommand::new(program.as_ref(), directory, path, self.settings(), visible_devices)
        });
        match command {
            Ok(command) => command,
            Err(error) => panic!("no command on a simulated driver: {error}"),
        }
    }

    /// Writes the copy into a directory of its own.
    fn write(&self) -> io::Result<(PrivateDirectory, PathBuf)> {
        let directory = PrivateDirectory::create()?;
        let without: Vec<&str> = self.without.iter().map(String::as_str).collect();
        let path = library::write_library(directory.path(), Some(self.driver_version), &without)?;
        Ok((directory, path))
    }

    /// As environment variables.
    fn settings(&self) -> Vec<(&'static str, OsString)> {
        let mut settings = self.settings.clone();
        settings.push(("SIMULATED_CUDA_DEVICES", self.devices.to_string().into()));
        settings.push(("SIMULATED_CUDA_KNOBS", self.knobs.join(",").into()));
        settings
    }
}

impl Simulator {
    /// Starts a driver with this many devices.
    ///
    /// # Panics
    ///
    /// When the library cannot be written or loaded.
    #[must_use]
    #[track_caller]
    pub fn start(devices: u32) -> Self {
        Self::builder().devices(devices).start()
    }

    /// Settings, to start from.
    pub fn builder() -> Builder {
        Builder::new()
    }
}
