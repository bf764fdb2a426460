//! One process, or one program of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::arena::layout::LOCAL_RANKS;
use crate::record::{self, Call, Event, Purpose, Record};

use super::Modules;
use super::device::Device;
use super::notes::{Note, Notes};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order: its exit handlers ran.
    Exit(Duration),
    /// By an exec of another program.
    Replaced(Duration),
}

/// Calls of `cuInit`.
#[derive(Debug, Default)]
pub struct Inits {
    /// Those that were answered with 0.
    pub successful: Notes,
    /// Those that the driver refused.
    pub refused: Notes,
    /// Those in the middle of which the thread ended, or hangs.
    pub unfinished: Notes,
}

impl Inits {
    fn add(&mut self, note: Note) {
        match note.call.answer {
            Some(0) => self.successful.add(note),
            Some(_) => self.refused.add(note),
            None => self.unfinished.add(note),
        }
    }

    fn total(&self) -> u64 {
        self.successful.total() + self.refused.total() + self.unfinished.total()
    }
}

/// A process from the moment on at which it had the witness.
#[derive(Debug)]
pub struct Process {
    /// Its id, as it sees it itself.
    pub pid: u32,
    /// What was told then.
    pub about: record::Process,
    /// How it ended. `None`: it was killed, left by `_exit`, or runs.
    pub end: Option<End>,
    /// Its calls of `cuInit`.
    pub inits: Inits,
    /// Calls about no device that is known.
    pub elsewhere: Notes,
    /// Drivers that it has and that are not behind the witness.
    pub bypasses: Vec<PathBuf>,
    /// Whether the witness had no room to count some calls.
    pub uncounted: bool,
    devices: BTreeMap<i32, Device>,
}

impl Process {
    pub(super) fn new(record: &Record, about: &record::Process) -> Self {
        Self {
            pid: record.pid,
            about: about.clone(),
            end: None,
            inits: Inits::default(),
            elsewhere: Notes::default(),
            bypasses: Vec::new(),
            uncounted: false,
            devices: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, record: &Record, modules: &Modules) {
        match &record.event {
            Event::Device(about) => self.device(about.handle).about = about.clone(),
            Event::Call(call) => self.add_call(record, call, modules),
            Event::Exit => self.end = Some(End::Exit(record.time)),
            Event::Bypass(path) => self.bypasses.push(path.clone()),
            Event::Process(_) | Event::Module(_) => unreachable!("the model's own"),
        }
    }

    fn add_call(&mut self, record: &Record, call: &Call, modules: &Modules) {
        self.uncounted |= call.uncounted;
        if call.function.purpose() == Some(Purpose::Init) {
            self.inits.add(Note::new(record, call));
            return;
        }
        // A context is known by its handle, wherever it was said to be.
        let of_context = self.devices.values().find(|device| device.has_context(call.context));
        match of_context.map(|device| device.about.handle).or(call.device) {
            Some(handle) => self.device(handle).add(record, call, modules),
            None => self.elsewhere.add(Note::new(record, call)),
        }
    }

    fn device(&mut self, handle: i32) -> &mut Device {
        self.devices.entry(handle).or_insert_with(|| Device::new(handle))
    }

    /// The devices that it touched.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// The one with this handle.
    #[must_use]
    pub fn device_of(&self, handle: i32) -> Option<&Device> {
        self.devices.get(&handle)
    }

    /// Its command line, or what is known of it.
    #[must_use]
    pub fn command(&self) -> String {
        if self.about.arguments.is_empty() {
            return self.about.executable.display().to_string();
        }
        self.about.arguments.join(" ")
    }

    /// The rank that a launcher gave it, on its machine or else among all: the variable and its value.
    #[must_use]
    pub fn rank(&self) -> Option<(&str, &str)> {
        let names = LOCAL_RANKS.into_iter().chain(["RANK"]);
        let mut set = names.filter_map(|name| Some((name, self.variable(name)?)));
        set.find(|(_, value)| !value.is_empty())
    }

    /// A variable of launchers or of CUDA that is set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.about.variables.iter();
        variables.find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    /// Whether it did anything that is worth a line.
    #[must_use]
    pub fn did_anything(&self) -> bool {
        self.inits.total() > 0
            || self.elsewhere.total() > 0
            || !self.devices.is_empty()
            || !self.bypasses.is_empty()
    }
}
