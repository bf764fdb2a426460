//! What the witness told, record by record.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The process, as it sees its own id.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// Since the command started.
    pub time: Duration,
    /// What it tells.
    pub event: Event,
}

/// What a record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process has the witness.
    Process(Process),
    /// A library or program that later records name.
    Module(Module),
    /// A device that later calls of this process name.
    Device(Device),
    /// A call.
    Call(Call),
    /// The process ends in order.
    Exit,
    /// It has a driver that is not behind the witness.
    Bypass(PathBuf),
}

/// A process has the witness: anew, after an exec, or as a forked child.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Who started it.
    pub parent: u32,
    /// Whether it is a forked child, and has had no exec since.
    pub forked: bool,
    /// When it was started, in clock ticks since the machine was; 0 if that is not known.
    pub start: u64,
    /// The ordinal that is meant, by `--only` or by the rank that a launcher gave it.
    pub meant_ordinal: Option<u32>,
    /// Of Python, such as `(3, 11)`.
    pub python: Option<(u8, u8)>,
    /// The variables of launchers, and `CUDA_VISIBLE_DEVICES`, those that are set.
    pub variables: Vec<(String, String)>,
    /// The command line.
    pub arguments: Vec<String>,
    /// The program's file.
    pub executable: PathBuf,
}

/// A library or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// By which frames name it.
    pub id: u32,
    /// Its file.
    pub path: PathBuf,
}

/// A device of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The `CUdevice`.
    pub handle: i32,
    /// Its place among the devices that the process sees.
    pub ordinal: Option<u32>,
    /// Its unique id.
    pub uuid: Option<[u8; 16]>,
    /// Whether it is meant to be used. `None`: nobody said so.
    pub meant: Option<bool>,
}

/// A function of the driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Function(pub &'static str);

/// What a function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `cuInit`.
    Init,
    /// Takes a reference to a primary context.
    Retain,
    /// Gives one back.
    Release,
    /// Ends a primary context, whoever holds it; the references stay.
    Reset,
    /// Makes an ordinary context.
    Create,
    /// Ends one.
    Destroy,
    /// Makes a green context.
    GreenCreate,
    /// Ends one.
    GreenDestroy,
}

impl Function {
    /// What it is for.
    #[must_use]
    pub fn purpose(self) -> Option<Purpose> {
        let bare = self.0.split_once("_v").map_or(self.0, |(bare, _)| bare);
        Some(match bare {
            "cuInit" => Purpose::Init,
            "cuDevicePrimaryCtxRetain" => Purpose::Retain,
            "cuDevicePrimaryCtxRelease" => Purpose::Release,
            "cuDevicePrimaryCtxReset" => Purpose::Reset,
            "cuCtxCreate" => Purpose::Create,
            "cuCtxDestroy" => Purpose::Destroy,
            "cuGreenCtxCreate" => Purpose::GreenCreate,
            "cuGreenCtxDestroy" => Purpose::GreenDestroy,
            _ => return None,
        })
    }
}

/// A call of the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// What was called.
    pub function: Function,
    /// The device's handle, where the call is about one.
    pub device: Option<i32>,
    /// The context made or destroyed; 0 for none.
    pub context: u64,
    /// The driver's answer. `None`: the thread ended, or hangs, in the middle of the call.
    pub answer: Option<u32>,
    /// How long the call took.
    pub took: Duration,
    /// Answered by the witness, the driver was not called.
    pub denied: bool,
    /// The call made a context.
    pub created: bool,
    /// The call ended one.
    pub ended: bool,
    /// After the process's exit began.
    pub after_exit: bool,
    /// Python has a frame here that could not be read.
    pub python_failed: bool,
    /// The witness had no room to count this one.
    pub uncounted: bool,
    /// Whose reference a release took; 0 for nobody's.
    pub taken_from: u32,
    /// References to the device's primary context afterwards.
    pub device_references: i32,
    /// Where it came from: native code, innermost first. The first is the library that called.
    pub native: Vec<Address>,
    /// And lines of Python, innermost first.
    pub python: Vec<PythonLine>,
}

impl Call {
    /// The module of the library that called; 0 for code that is in none.
    #[must_use]
    pub fn caller(&self) -> u32 {
        self.native.first().map_or(0, |address| address.module)
    }
}

/// An address of a caller: the instruction behind its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The module; 0 for code that is in none, such as that made at run time.
    pub module: u32,
    /// In the module's file.
    pub address: u64,
}

/// A line of Python.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PythonLine {
    /// The file.
    pub file: String,
    /// The function.
    pub function: String,
    /// The line, where it is known.
    pub line: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::{Function, Purpose};

    #[test]
    fn every_version_of_a_function_has_its_purpose() {
        for (name, purpose) in [
            ("cuInit", Some(Purpose::Init)),
            ("cuDevicePrimaryCtxRelease", Some(Purpose::Release)),
            ("cuDevicePrimaryCtxRelease_v2", Some(Purpose::Release)),
            ("cuCtxCreate_v4", Some(Purpose::Create)),
            ("cuGreenCtxDestroy", Some(Purpose::GreenDestroy)),
            ("cuGetProcAddress_v2", None),
        ] {
            assert_eq!(Function(name).purpose(), purpose, "{name}");
        }
    }
}
