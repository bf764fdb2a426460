//! The records of the witness, decoded. `witness/events.h` describes the fields.
#![allow(missing_docs, reason = "the header explains them")]

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

#[derive(Debug, Clone)]
pub struct Record {
    /// The number of the process, which no other process of this run has.
    pub process: u32,
    /// Its id, as it sees it itself. Processes in different namespaces may share one.
    pub pid: u32,
    pub tid: u32,
    /// Since the command started.
    pub time: Duration,
    pub event: Event,
}

#[derive(Debug, Clone)]
pub enum Event {
    /// A process has loaded the witness, or was forked by one that has.
    Process(Process),
    Module(Module),
    Device(Device),
    Call(Call),
    /// The process exits in order.
    Exit(Vec<Thread>),
    /// It has a driver that is not behind the witness.
    Bypass(PathBuf),
    /// A thread began with its creator's context.
    ThreadStart(ThreadStart),
}

/// A process that has the witness: new, after an exec, or as a forked child.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// The number of the process that forked it, unless it has called exec since.
    pub forked_from: Option<u32>,
    pub parent: u32,
    pub start: u64,
    pub pid_namespace: u64,
    /// Its id in this command's namespace, if it was found there.
    pub host_pid: Option<u32>,
    pub local_rank: Option<u32>,
    /// The version of Python, such as `(3, 11)`.
    pub python: Option<(u8, u8)>,
    pub variables: Vec<(String, String)>,
    pub arguments: Vec<String>,
    pub executable: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Module {
    pub id: u32,
    /// The path of its file, as the process sees it.
    pub path: PathBuf,
    /// The file itself, opened when the record came: it may be deleted later, or lie in a container.
    pub file: Option<Arc<File>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    pub handle: i32,
    /// Its place among the devices that the process sees.
    pub ordinal: Option<u32>,
    pub count: Option<u32>,
    /// The lowest bit is set if the process sees the first device that `--only` names, and so on.
    pub named: u64,
    pub uuid: Option<[u8; 16]>,
    /// Whether `--only` allows it. `None`: this cannot be judged.
    pub allowed: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    pub tid: u32,
    pub name: String,
}

/// A thread that began with its creator's context, by `--keep-threads`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadStart {
    pub device: i32,
    pub thread: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Function(pub &'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Init,
    Retain,
    Release,
    /// Ends a primary context, whoever holds it; the references stay.
    Reset,
    Create,
    Destroy,
    GreenCreate,
    GreenDestroy,
}

impl Function {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holding {
    Reference,
    /// References to the primary context that its green contexts hold.
    GreenReference,
    GreenContext,
    OrdinaryContext,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub module: u32,
    pub holding: Holding,
    pub count: u32,
    /// Of two changes of one holding the one with the higher number is the later.
    pub number: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    pub function: Function,
    pub device: Option<i32>,
    pub context: u64,
    /// What the driver returned. `None`: the thread ended, or hangs, during the call.
    pub result: Option<u32>,
    pub took: Duration,
    /// Refused by the witness, the driver was not called.
    pub denied: bool,
    pub created: bool,
    pub ended: bool,
    pub after_exit: bool,
    pub python_failed: bool,
    pub uncounted: bool,
    /// The call created a context, and `CUDA_VISIBLE_DEVICES` had been changed since `cuInit`.
    pub visible_changed: bool,
    pub references: u32,
    /// Whose reference came or was taken.
    pub reference: Option<Change>,
    /// Whose ordinary or green context was created or destroyed.
    pub other: Option<Change>,
    pub thread: Option<String>,
    /// Native code, innermost first. The first is the library that called.
    pub native: Vec<Address>,
    pub python: Vec<PythonLine>,
}

impl Holding {
    /// The kind of context, in a word.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Reference => "primary",
            Self::OrdinaryContext => "ordinary",
            Self::GreenContext | Self::GreenReference => "green",
        }
    }
}

impl Call {
    /// What the call takes or ends, if it succeeds.
    pub fn holding(&self) -> Holding {
        match self.function.purpose() {
            Some(Purpose::Create | Purpose::Destroy) => Holding::OrdinaryContext,
            Some(Purpose::GreenCreate | Purpose::GreenDestroy) => Holding::GreenContext,
            _ => Holding::Reference,
        }
    }

    /// Whether the call takes a reference or creates a context, if it succeeds.
    pub fn acquires(&self) -> bool {
        matches!(
            self.function.purpose(),
            Some(Purpose::Retain | Purpose::Create | Purpose::GreenCreate)
        )
    }

    /// The module of the library that called; 0 for code in no file.
    pub fn caller(&self) -> u32 {
        self.native.first().map_or(0, |address| address.module)
    }

    /// The module whose reference a release took, if it took one.
    pub fn taken_from(&self) -> Option<u32> {
        let takes = matches!(
            self.function.purpose(),
            Some(Purpose::Release | Purpose::Reset | Purpose::GreenDestroy)
        );
        self.reference.filter(|_| takes).map(|change| change.module)
    }
}

/// The module of code that may be in a file for which the witness had no room.
pub const UNRECORDED: u32 = u32::MAX;

/// A place in native code: the instruction behind a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The module; 0 for code in no file, such as code made at run time; or `UNRECORDED`.
    pub module: u32,
    pub address: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PythonLine {
    pub file: String,
    pub function: String,
    pub line: Option<u32>,
}
