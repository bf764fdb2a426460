//! Processes that run under `cuda-contexts trace`: what it has recorded of them until now.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::arena::Arena;
use crate::json;
use crate::model::Model;
use crate::ps::snapshot::Process;
use crate::report::{self, Surroundings};
use crate::symbols::Symbols;

/// A trace under which processes run.
#[derive(Debug)]
pub struct Trace {
    /// The first of these processes.
    pid: u32,
    model: Model,
    about: Surroundings,
}

/// The traces under which these processes run, and a sentence for each that cannot be read.
pub fn read(processes: &[Process]) -> (Vec<Trace>, Vec<String>) {
    let (mut traces, mut notes, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for process in processes {
        let Some(arena) = &process.facts.arena else { continue };
        // The program may have another root folder. A link in it could lead elsewhere, but only a trace's
        // memory is read.
        let path = format!("/proc/{}/root{arena}", process.pid);
        let Ok(file) = fs::metadata(&path).map(|file| (file.dev(), file.ino())) else { continue };
        if seen.contains(&file) {
            continue;
        }
        seen.push(file);
        match Trace::read(process.pid, Path::new(&path)) {
            Ok(trace) => traces.push(trace),
            Err(error) => {
                notes
                    .push(format!("The trace of process {} cannot be read: {error}.", process.pid));
            }
        }
    }
    (traces, notes)
}

impl Trace {
    fn read(pid: u32, arena: &Path) -> io::Result<Self> {
        let mut arena = Arena::open(arena)?;
        let mut model = Model::default();
        arena.read(true).iter().for_each(|record| model.add(record));
        model.look_at_threads();
        let pids = model.processes.iter().filter_map(|process| process.about.host_pid);
        let living = pids.filter(|pid| Path::new(&format!("/proc/{pid}")).exists());
        let about = Surroundings {
            living: living.map(|pid| (pid, String::new())).collect(),
            lost: arena.lost(),
            damaged: arena.is_damaged(),
            ..Surroundings::default()
        };
        Ok(Self { pid, model, about })
    }

    /// The report, as far as the program has run.
    pub fn report(&self) -> String {
        let text = report::text(&self.model, &mut Symbols::default(), &self.about);
        let text = anstream::adapter::strip_str(&text).to_string();
        format!("\nProcess {} runs under cuda-contexts trace. Until now:\n{text}", self.pid)
    }

    /// A line of JSON for each device of these processes.
    pub fn lines(&self, host: &str, processes: &[Process]) -> Vec<Value> {
        let (mut symbols, mut lines) = (Symbols::default(), Vec::new());
        for process in self.model.processes.iter().filter(|process| process.end.is_none()) {
            let pid = process.about.host_pid;
            if !processes.iter().any(|shown| Some(shown.pid) == pid) {
                continue;
            }
            for device in process.devices() {
                let mut line = json::device_until_now(process, device, &self.model, &mut symbols);
                line["event"] = "traced".into();
                line["host"] = host.into();
                line["pid"] = pid.into();
                lines.push(line);
            }
        }
        lines
    }
}
