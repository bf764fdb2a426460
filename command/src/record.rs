//! The records of the witness, decoded.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The number of the process, which no other process of this run has.
    pub process: u32,
    /// Its id, as it sees it itself. Processes in different namespaces may share one.
    pub pid: u32,
    /// The thread, as the process sees it.
    pub tid: u32,
    /// Since the command started.
    pub time: Duration,
    /// What happened.
    pub event: Event,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process has loaded the witness, or was forked by one that has.
    Process(Process),
    /// A library or program that later records name.
    Module(Module),
    /// A device that later calls of this process name.
    Device(Device),
    /// A call.
    Call(Call),
    /// The process exits in order.
    Exit(Vec<Thread>),
    /// It has a driver that is not behind the witness.
    Bypass(PathBuf),
}

/// A process that has the witness: new, after an exec, or as a forked child.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// The number of the process that forked it, unless it has called exec since.
    pub forked_from: Option<u32>,
    /// Its parent's id, as it sees it itself.
    pub parent: u32,
    /// When it started, in clock ticks since boot; 0 if unknown.
    pub start: u64,
    /// The inode of its namespace of process ids; 0 if unknown.
    pub pid_namespace: u64,
    /// Its id in this command's namespace, if it was found there.
    pub host_pid: Option<u32>,
    /// The local rank that a launcher gave it.
    pub local_rank: Option<u32>,
    /// The version of Python, such as `(3, 11)`.
    pub python: Option<(u8, u8)>,
    /// The variables of launchers and `CUDA_VISIBLE_DEVICES`, those that are set.
    pub variables: Vec<(String, String)>,
    /// The command line.
    pub arguments: Vec<String>,
    /// The program's file.
    pub executable: PathBuf,
}

/// A library or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The number by which frames name it.
    pub id: u32,
    /// The path of its file, as the process sees it.
    pub path: PathBuf,
    /// The file itself, opened when the record came.
    pub file: Option<ModuleFile>,
}

/// An open file of a module. It can be read even if it has been deleted since, or lies in a container.
#[derive(Debug, Clone)]
pub struct ModuleFile(pub Arc<File>);

impl PartialEq for ModuleFile {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ModuleFile {}

/// A device of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The `CUdevice`.
    pub handle: i32,
    /// Its place among the devices that the process sees.
    pub ordinal: Option<u32>,
    /// How many devices the process sees.
    pub count: Option<u32>,
    /// The lowest bit is set if the process sees the first device that `--only` names, and so on.
    pub named: u64,
    /// Its UUID.
    pub uuid: Option<[u8; 16]>,
    /// Whether `--only` allows it. `None`: this cannot be judged.
    pub allowed: Option<bool>,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Its id, as the process sees it.
    pub tid: u32,
    /// Its name.
    pub name: String,
}

/// A function of the driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Function(pub &'static str);

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `cuInit`.
    Init,
    /// Takes a reference to a primary context.
    Retain,
    /// Releases one.
    Release,
    /// Ends a primary context, whoever holds it; the references stay.
    Reset,
    /// Creates an ordinary context.
    Create,
    /// Destroys one.
    Destroy,
    /// Creates a green context.
    GreenCreate,
    /// Destroys one.
    GreenDestroy,
}

impl Function {
    /// What it does.
    #[must_use]
    pub fn purpose(self) -> Option<Purpose> {
        let bare = self.0.split_once("_v").map_or(self.0, |(bare, _)| bare);
        Some(match bare {
            "cuInit" => Purpose::Init,
            "cuDevicePrimaryCtxRetain" => Purpose::Retain,
            "cuDevicePrimaryCtxRelease" => Purpose::Release,
            "cuDevicePrimaryCtxReset" => Purpose::Reset,
            "cuCtxCreate" | "cuGLCtxCreate" | "cuVDPAUCtxCreate" => Purpose::Create,
            "cuCtxDestroy" | "cuCtxDetach" => Purpose::Destroy,
            "cuGreenCtxCreate" => Purpose::GreenCreate,
            "cuGreenCtxDestroy" => Purpose::GreenDestroy,
            _ => return None,
        })
    }
}

/// What a library holds on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holding {
    /// References to the primary context, by retains.
    Reference,
    /// References to the primary context that its green contexts hold.
    GreenReference,
    /// Green contexts.
    GreenContext,
    /// Ordinary contexts.
    OrdinaryContext,
}

/// How a call changed what a library holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The library; 0 for code in no file.
    pub module: u32,
    /// What it holds.
    pub holding: Holding,
    /// How many it holds afterwards.
    pub count: u32,
    /// Of two changes of one holding the one with the higher number is the later.
    pub number: u32,
}

/// A call of the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub function: Function,
    /// The device's handle, if the call is about one.
    pub device: Option<i32>,
    /// The context that was created or destroyed; 0 for none.
    pub context: u64,
    /// What the driver returned. `None`: the thread ended, or hangs, during the call.
    pub result: Option<u32>,
    /// How long the call took.
    pub took: Duration,
    /// Refused by the witness, the driver was not called.
    pub denied: bool,
    /// The call created a context.
    pub created: bool,
    /// The call ended one.
    pub ended: bool,
    /// After the process's exit began.
    pub after_exit: bool,
    /// Python has a frame here that could not be read.
    pub python_failed: bool,
    /// The witness had no room to count this one.
    pub uncounted: bool,
    /// The call created a context, and `CUDA_VISIBLE_DEVICES` had been changed since `cuInit`.
    pub visible_changed: bool,
    /// The references to the device's primary context afterwards.
    pub references: u32,
    /// Whose reference came or was taken.
    pub reference: Option<Change>,
    /// Whose ordinary or green context was created or destroyed.
    pub other: Option<Change>,
    /// The thread's name, if it could be read.
    pub thread: Option<String>,
    /// Native code, innermost first. The first is the library that called.
    pub native: Vec<Address>,
    /// Lines of Python, innermost first.
    pub python: Vec<PythonLine>,
}

impl Call {
    /// The module of the library that called; 0 for code in no file.
    #[must_use]
    pub fn caller(&self) -> u32 {
        self.native.first().map_or(0, |address| address.module)
    }

    /// The module whose reference a release took, if it took one.
    #[must_use]
    pub fn taken_from(&self) -> Option<u32> {
        let takes = matches!(
            self.function.purpose(),
            Some(Purpose::Release | Purpose::Reset | Purpose::GreenDestroy)
        );
        self.reference.filter(|_| takes).map(|change| change.module)
    }
}

/// A place in native code: the instruction behind a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The module; 0 for code in no file, such as code made at run time.
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
    /// The line, if it is known.
    pub line: Option<u32>,
}
