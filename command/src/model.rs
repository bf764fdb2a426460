//! The account: processes, the devices that they touched, the contexts on them and who holds those.
//! Pure code, fed with records in their order.

mod context;
mod device;
mod notes;
mod process;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::record::{Event, Record};

pub use context::{Context, Kind};
pub use device::{Device, Holder, Taking};
pub use notes::{Note, Notes};
pub use process::{End, Inits, Process};

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Model {
    modules: Modules,
    processes: Vec<Process>,
    current: HashMap<u32, usize>,
}

/// Libraries and programs by the number by which frames name them.
#[derive(Debug, Default)]
pub struct Modules(HashMap<u32, PathBuf>);

impl Modules {
    /// The file, if the code was in one.
    #[must_use]
    pub fn path(&self, module: u32) -> Option<&Path> {
        self.0.get(&module).map(PathBuf::as_path)
    }

    /// The name by which people know it.
    #[must_use]
    pub fn name(&self, module: u32) -> String {
        let name = self.path(module).and_then(Path::file_name);
        name.map_or_else(
            || "code in no file".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }
}

impl Model {
    /// Takes a record into account.
    pub fn add(&mut self, record: &Record) {
        if let Event::Module(module) = &record.event {
            self.modules.0.insert(module.id, module.path.clone());
            return;
        }
        if let Event::Process(about) = &record.event {
            // After an exec the same id comes again, or when the system uses it for another process.
            let former = self.process_mut(record.pid);
            if let Some(former) = former.filter(|former| former.about.start == about.start) {
                former.end.get_or_insert(End::Replaced(record.time));
            }
            self.current.insert(record.pid, self.processes.len());
            self.processes.push(Process::new(record, about));
            return;
        }
        let index = *self.current.entry(record.pid).or_insert_with(|| {
            self.processes.push(Process::new(record, &crate::record::Process::default()));
            self.processes.len() - 1
        });
        self.processes[index].add(record, &self.modules);
    }

    /// The processes that had the witness, in the order in which they got it. One that replaced its
    /// program is there once for each.
    #[must_use]
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The one that has this id now, or had it last.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<&Process> {
        self.current.get(&pid).map(|&index| &self.processes[index])
    }

    fn process_mut(&mut self, pid: u32) -> Option<&mut Process> {
        self.current.get(&pid).map(|&index| &mut self.processes[index])
    }

    /// The libraries.
    #[must_use]
    pub fn modules(&self) -> &Modules {
        &self.modules
    }

    /// Devices that are not meant, and on which a context was made or refused.
    pub fn strays(&self) -> impl Iterator<Item = (&Process, &Device)> {
        self.processes
            .iter()
            .flat_map(|process| process.devices().map(move |device| (process, device)))
            .filter(|(_, device)| device.is_stray())
    }
}
