//! What the records say: processes, the devices that they used, the contexts on them and who holds
//! those. It is fed with records; the counts in it are the witness's.

mod device;
mod notes;
mod process;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::record::{Event, Module, Record, UNRECORDED};

pub use device::{Device, Holder, StartedThreads};
pub use notes::{Note, Notes};
pub use process::{End, Process};

/// For people, in place of a library's name.
pub const UNKNOWN_CODE: &str =
    "unknown code (the process loaded more files than the trace can record)";

#[derive(Debug, Default)]
pub struct Model {
    pub modules: Modules,
    /// Those that had the witness, in the order in which they got it. One that replaced its program is
    /// there once for each.
    pub processes: Vec<Process>,
    /// By number.
    places: HashMap<u32, usize>,
}

/// Libraries and programs by the number by which frames name them.
#[derive(Debug, Default)]
pub struct Modules(HashMap<u32, Module>);

impl Modules {
    /// The file, if the code was in one.
    pub fn path(&self, module: u32) -> Option<&Path> {
        self.0.get(&module).map(|module| &*module.path)
    }

    /// Where its file can be read: by its path, if it was not opened when it was loaded.
    pub fn readable(&self, module: u32) -> Option<PathBuf> {
        let module = self.0.get(&module)?;
        let opened = module.file.as_ref().map(|file| file.as_raw_fd());
        Some(opened.map_or(module.path.clone(), |file| format!("/proc/self/fd/{file}").into()))
    }

    /// The name by which people know it.
    pub fn name(&self, module: u32) -> String {
        match self.path(module).and_then(Path::file_name) {
            Some(name) => name.to_string_lossy().into_owned(),
            None if module == UNRECORDED => UNKNOWN_CODE.to_owned(),
            None => "code in no file".to_owned(),
        }
    }
}

impl Model {
    pub fn add(&mut self, record: &Record) {
        if let Event::Module(module) = &record.event {
            self.modules.0.insert(module.id, module.clone());
            return;
        }
        if let Event::Process(about) = &record.event {
            self.end_replaced(record, about);
            self.places.insert(record.process, self.processes.len());
            self.processes.push(Process::new(record, about));
            return;
        }
        let index = *self.places.entry(record.process).or_insert_with(|| {
            self.processes.push(Process::new(record, &crate::record::Process::default()));
            self.processes.len() - 1
        });
        self.processes[index].add(record, &self.modules);
    }

    /// After an exec the same process has a new number.
    fn end_replaced(&mut self, record: &Record, about: &crate::record::Process) {
        let former = self.processes.iter_mut().rev().find(|former| {
            former.pid == record.pid
                && former.about.pid_namespace == about.pid_namespace
                && former.about.start == about.start
        });
        if let Some(former) = former.filter(|_| about.forked_from.is_none()) {
            former.end.get_or_insert(End::Replaced(record.time));
        }
    }

    pub fn process(&self, number: u32) -> Option<&Process> {
        self.places.get(&number).map(|&index| &self.processes[index])
    }

    /// Looks which threads live in processes that still run. To be called once, at the end.
    pub fn look_at_threads(&mut self) {
        self.processes.iter_mut().for_each(Process::look_at_threads);
    }
}
