//! Commands that run on a simulated driver of their own.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::call::{Call, LOG_NAME};
use crate::fault::Fault;
use crate::private_directory::PrivateDirectory;

/// A [`Command`] whose process finds a copy of the simulated driver of its own, by the name
/// `libcuda.so.1`. [`Builder::command`](crate::Builder::command) creates it, and the README has an example.
///
/// In a process that has a [`Simulator`](crate::Simulator), code that loads the driver by name gets the
/// first copy. Test a client that loads by name, such as Python, as a process.
///
/// It dereferences to the [`Command`], for arguments, streams, variables and starting it. Dropping it removes
/// its folder, so keep it until the process has loaded the driver and until the calls are read.
/// `env_clear` also removes the settings.
pub struct ClientCommand {
    command: Command,
    path: PathBuf,
    held: Vec<String>,
    faults: Vec<String>,
    _directory: PrivateDirectory,
}

impl ClientCommand {
    pub(crate) fn new(
        program: &OsStr,
        directory: PrivateDirectory,
        path: PathBuf,
        settings: Vec<(&'static str, OsString)>,
        visible_devices: Option<String>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            if name.as_bytes().starts_with(b"SIMULATED_CUDA_") {
                command.env_remove(name);
            }
        }
        command.env("LD_LIBRARY_PATH", search_path(directory.path())?);
        command.env("SIMULATED_CUDA_LOG", path.with_file_name(LOG_NAME));
        command.envs(settings);
        match visible_devices {
            Some(list) => command.env("CUDA_VISIBLE_DEVICES", list),
            None => command.env_remove("CUDA_VISIBLE_DEVICES"),
        };
        Ok(Self { command, path, held: Vec::new(), faults: Vec::new(), _directory: directory })
    }

    /// From `cuInit` on, another library in the process holds this many references to a device's
    /// primary context.
    pub fn retain_by_others(&mut self, device: u32, references: u32) -> &mut Self {
        self.held.push(format!("{device}:{references}"));
        self.command.env("SIMULATED_CUDA_HELD_BY_OTHERS", self.held.join(","));
        self
    }

    /// Arms a fault in the process's calls, beside those already armed.
    ///
    /// # Panics
    ///
    /// When the fault names a function that the simulated driver does not export, or call number 0.
    #[track_caller]
    pub fn inject(&mut self, fault: Fault) -> &mut Self {
        fault.check();
        self.faults.push(fault.as_setting());
        self.command.env("SIMULATED_CUDA_FAULT", self.faults.join(","));
        self
    }

    /// The process's own `libcuda.so.1`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The calls that its processes have made so far, in the order in which they returned:
    /// whatever was started from this command, and their children.
    ///
    /// # Errors
    ///
    /// When there is a log and it cannot be read.
    pub fn calls(&self) -> io::Result<Vec<Call>> {
        Call::read_log(&self.path.with_file_name(LOG_NAME))
    }
}

/// Before whatever was there.
fn search_path(directory: &Path) -> io::Result<OsString> {
    let before = env::var_os("LD_LIBRARY_PATH").filter(|value| !value.is_empty());
    let others = before.iter().flat_map(env::split_paths);
    env::join_paths([directory.to_owned()].into_iter().chain(others))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

impl Deref for ClientCommand {
    type Target = Command;

    fn deref(&self) -> &Command {
        &self.command
    }
}

impl DerefMut for ClientCommand {
    fn deref_mut(&mut self) -> &mut Command {
        &mut self.command
    }
}

impl fmt::Debug for ClientCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ClientCommand").field(&self.command).finish()
    }
}
