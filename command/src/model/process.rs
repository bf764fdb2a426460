//! One process, or one program of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::arena::layout::LOCAL_RANKS;
use crate::record::{self, Call, Event, Purpose, Record};

use super::Modules;
use super::device::Device;
use super::notes::{Note, Notes};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order: its exit handlers ran.
    Exit(Duration),
    Replaced(Duration),
}

#[derive(Debug, Default)]
pub struct Inits {
    pub successful: Notes,
    pub refused: Notes,
    /// Those during which the thread ended, or hangs.
    pub unfinished: Notes,
}

impl Inits {
    fn add(&mut self, note: Note) {
        match note.call.result {
            Some(0) => self.successful.add(note),
            Some(_) => self.refused.add(note),
            None => self.unfinished.add(note),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its name, if it could be read while it lived.
    pub name: Option<String>,
    /// Whether it lives: when the process exited, or now. `None`: unknown.
    pub lives: Option<bool>,
}

/// A process from the moment on at which it had the witness.
#[derive(Debug, Default)]
pub struct Process {
    pub number: u32,
    pub pid: u32,
    pub about: record::Process,
    /// How it ended. `None`: it was killed, left by `_exit`, or runs.
    pub end: Option<End>,
    pub inits: Inits,
    /// Calls about no device that is known.
    pub elsewhere: Notes,
    /// Those of them that created a context, or may have.
    pub creations_elsewhere: u64,
    /// Drivers that it has and that are not behind the witness.
    pub bypasses: Vec<PathBuf>,
    /// Whether the witness had no room to count some calls.
    pub uncounted: bool,
    /// The handles of the devices on which threads began (`--keep-threads`), by thread.
    pub began_on: BTreeMap<u32, i32>,
    threads: BTreeMap<u32, Thread>,
    devices: BTreeMap<i32, Device>,
}

impl Process {
    pub(super) fn new(record: &Record, about: &record::Process) -> Self {
        Self { number: record.process, pid: record.pid, about: about.clone(), ..Self::default() }
    }

    pub(super) fn add(&mut self, record: &Record, modules: &Modules) {
        match &record.event {
            Event::Device(about) => self.device(about.handle).about = about.clone(),
            Event::Call(call) => self.add_call(record, call, modules),
            Event::Exit(living) => self.exit(record.time, living),
            Event::Bypass(path) => self.bypasses.push(path.clone()),
            Event::ThreadStart(start) => {
                self.began_on.insert(record.tid, start.device);
                self.device(start.device).started.add(start.thread.as_ref());
            }
            Event::Process(_) | Event::Module(_) => unreachable!("the model's own"),
        }
    }

    fn add_call(&mut self, record: &Record, call: &Call, modules: &Modules) {
        self.uncounted |= call.uncounted;
        if call.function.purpose() == Some(Purpose::Init) {
            self.inits.add(Note::new(record, call));
            return;
        }
        if call.created {
            let thread = self.threads.entry(record.tid).or_default();
            thread.name = call.thread.clone().or_else(|| thread.name.take());
        }
        match call.device {
            Some(handle) => self.device(handle).add(record, call, modules),
            None => {
                let unfinished = call.result.is_none() && call.acquires();
                self.creations_elsewhere += u64::from(call.created || unfinished);
                self.elsewhere.add(Note::new(record, call));
            }
        }
    }

    fn exit(&mut self, time: Duration, living: &[record::Thread]) {
        self.end = Some(End::Exit(time));
        let complete = living.iter().all(|living| living.tid != 0);
        for (tid, thread) in &mut self.threads {
            let found = living.iter().find(|living| living.tid == *tid);
            thread.lives = (found.is_some() || complete).then_some(found.is_some());
            thread.name = found.map(|found| found.name.clone()).or_else(|| thread.name.take());
        }
    }

    /// Looks which of its threads live, if the process still runs.
    pub(super) fn look_at_threads(&mut self) {
        let Some(pid) = self.about.host_pid.filter(|_| self.end.is_none()) else { return };
        if fs::metadata(format!("/proc/{pid}")).is_err() {
            return;
        }
        for (tid, thread) in &mut self.threads {
            let name = crate::processes::thread_name(pid, *tid);
            thread.lives = Some(name.is_some());
            thread.name = name.or_else(|| thread.name.take());
        }
    }

    pub fn thread(&self, tid: u32) -> Option<&Thread> {
        self.threads.get(&tid)
    }

    fn device(&mut self, handle: i32) -> &mut Device {
        self.devices.entry(handle).or_insert_with(|| Device::new(handle))
    }

    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    pub fn device_of(&self, handle: i32) -> Option<&Device> {
        self.devices.get(&handle)
    }

    pub fn command(&self) -> String {
        if self.about.arguments.is_empty() {
            return self.about.executable.display().to_string();
        }
        self.about.arguments.join(" ")
    }

    /// The rank that a launcher gave it, on its machine or else among all: the variable and its value.
    pub fn rank(&self) -> Option<(&str, &str)> {
        self.first_variable(&LOCAL_RANKS).or_else(|| self.first_variable(&["RANK"]))
    }

    /// Why the rank on its machine, which a launcher set, is not known.
    pub fn malformed_rank(&self) -> Option<String> {
        let (variable, value) = self.first_variable(&LOCAL_RANKS)?;
        let is_unknown = self.about.local_rank.is_none();
        is_unknown.then(|| format!("{variable} is {value:?}, which is not a rank"))
    }

    /// The first of these variables that is set and not empty.
    fn first_variable(&self, names: &[&'static str]) -> Option<(&str, &str)> {
        let mut set = names.iter().filter_map(|name| Some((*name, self.variable(name)?)));
        set.find(|(_, value)| !value.is_empty())
    }

    /// A variable of launchers or of CUDA that is set.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.about.variables.iter();
        variables.find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    /// Whether it did anything that is worth a line.
    pub fn did_anything(&self) -> bool {
        let Inits { successful, refused, unfinished } = &self.inits;
        let calls = [successful, refused, unfinished, &self.elsewhere];
        calls.iter().any(|notes| notes.total > 0)
            || !self.devices.is_empty()
            || !self.bypasses.is_empty()
    }
}
