//! Processes that run under `cuda-contexts trace`: what it has recorded of them until now.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::arena::Arena;
use crate::model::Model;
use crate::ps::snapshot::Process;
use crate::report::{self, Surroundings};
use crate::symbols::Symbols;

/// The report of each trace under which one of these processes runs, as far as it is.
#[must_use]
pub fn reports(processes: &[Process]) -> String {
    let mut text = String::new();
    let mut seen = Vec::new();
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
        let pid = process.pid;
        text += &match report(Path::new(&path)) {
            Ok(report) => {
                format!("\nProcess {pid} runs under cuda-contexts trace. Until now:\n{report}")
            }
            Err(error) => format!("\nNote: the trace of process {pid} cannot be read: {error}.\n"),
        };
    }
    text
}

fn report(arena: &Path) -> io::Result<String> {
    let mut arena = Arena::open(arena)?;
    let mut model = Model::default();
    arena.read(true).iter().for_each(|record| model.add(record));
    model.look_at_threads();
    let pids = model.processes().iter().filter_map(|process| process.about.host_pid);
    let living = pids.filter(|pid| Path::new(&format!("/proc/{pid}")).exists());
    let about = Surroundings {
        living: living.map(|pid| (pid, String::new())).collect(),
        lost: arena.lost(),
        damaged: arena.is_damaged(),
        ..Surroundings::default()
    };
    let text = report::text(&model, &mut Symbols::default(), &about);
    Ok(anstream::adapter::strip_str(&text).to_string())
}
