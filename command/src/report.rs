//! The report at the end, for people.

mod device;
mod fold;
mod headline;
pub mod line;
mod page;
mod process;
mod signal;
mod stack_lines;
mod stray;
#[cfg(test)]
mod tests;

use std::env;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::model::{Model, Process};
use crate::only::Only;
use crate::options::Forbid;
use crate::symbols::Symbols;
use crate::untraced::Untraced;
use crate::verdict::{Judge, Verdict};

use page::Page;

pub use device::CONTEXT_MIB;
pub use line::{Line, counted, seconds};
pub use page::{caller, code};

/// What the records do not say.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// How the program ended.
    pub status: Option<ExitStatus>,
    /// The program's process.
    pub program: Option<u32>,
    /// Drivers that are not traced.
    pub untraced: Vec<Untraced>,
    /// Whether the driver was opened although no process was traced.
    pub opened_untraced: bool,
    /// How many records found no room.
    pub lost: u64,
    /// Whether the program overwrote records.
    pub damaged: bool,
    /// Processes that still run, with their command lines.
    pub living: Vec<(u32, String)>,
    /// The allowed devices.
    pub only: Option<Only>,
    /// Which strays change the exit status.
    pub forbid: Option<Forbid>,
    /// Whether strays are refused.
    pub deny: bool,
    /// The outcome of `--forbid` and `--deny`.
    pub verdict: Verdict,
}

impl Surroundings {
    /// The signal that killed the program.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.and_then(|status| status.signal())
    }

    /// Drivers that are not traced, without those that the witness saw itself.
    pub fn untraced_elsewhere<'a>(
        &'a self,
        model: &'a Model,
    ) -> impl Iterator<Item = &'a Untraced> {
        self.untraced.iter().filter(|untraced| {
            let mut processes = model.processes().iter();
            !processes.any(|process| {
                process.about.host_pid == Some(untraced.pid)
                    && process.bypasses.contains(&untraced.library)
            })
        })
    }

    /// Whether something is known to be missing.
    fn incomplete(&self, model: &Model) -> bool {
        let bypassed = |process: &Process| !process.bypasses.is_empty();
        self.lost > 0
            || self.damaged
            || self.opened_untraced
            || !self.untraced.is_empty()
            || model.processes().iter().any(bypassed)
    }
}

/// Writes the report.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(
    to: &mut dyn Write,
    model: &Model,
    symbols: &mut Symbols,
    about: &Surroundings,
) -> io::Result<()> {
    let folder = env::current_dir().map(|folder| format!("{}/", folder.display()));
    let folder = folder.unwrap_or_default();
    let mut page = Page { modules: model.modules(), symbols, folder: &folder };
    let mut lines = headline::lines(model, about);
    let strays = Judge::new(model, about).strays(model);
    let strays: Vec<_> =
        strays.into_iter().map(|(process, device)| page.stray(process, device, about)).collect();
    lines.extend(fold::fold(strays).iter().flat_map(stray::lines));
    let active = model.processes().iter().filter(|process| process.did_anything());
    let processes: Vec<_> = active.map(|process| page.process(process, model, about)).collect();
    lines.extend(fold::fold(processes).iter().flat_map(process::lines));
    lines.extend(rest(model, about));
    lines.iter().try_for_each(|line| writeln!(to, "{line}"))
}

/// What was not traced, and what holds for all of the report.
fn rest(model: &Model, about: &Surroundings) -> Vec<Line> {
    let mut lines = Vec::new();
    let idle = model.processes().iter().filter(|process| !process.did_anything()).count();
    if idle > 0 {
        let idle = line::counted(idle as u64, "more process", "more processes");
        let text = format!("{idle} loaded the driver without initialising it.");
        lines.extend(paragraph(Line::default().text(text)));
    }
    for untraced in about.untraced_elsewhere(model) {
        let (pid, library) = (untraced.pid, untraced.library.display());
        let text = format!("Not traced: process {pid} loaded {library}: {}", untraced.command);
        lines.extend(paragraph(Line::default().warning(text)));
        lines.push(Line::indented(2).text(untraced.reason.text()));
    }
    if about.opened_untraced {
        let text = "The driver's file was opened, but no process was traced.";
        lines.extend(paragraph(Line::default().warning(text)));
    }
    if about.lost > 0 {
        let events = line::counted(about.lost, "event is", "events are");
        let text = format!("{events} missing above: the shared memory was full.");
        lines.extend(paragraph(Line::default().warning(text)));
    }
    if about.damaged {
        let text =
            "The program overwrote the trace's shared memory: records may be missing or wrong.";
        lines.extend(paragraph(Line::default().warning(text)));
    }
    for (pid, command) in &about.living {
        let text = format!("Process {pid} still runs and is no longer traced: {command}");
        lines.extend(paragraph(Line::default().warning(text)));
    }
    let creates = |process: &Process| process.devices().any(|device| device.creations.total() > 0);
    if model.processes().iter().any(creates) {
        let text = format!(
            "A context takes about {CONTEXT_MIB} MiB of GPU memory (measured on an H200 with driver 580; \
             others differ)."
        );
        lines.extend(paragraph(Line::default().faint(text)));
    }
    lines
}

fn paragraph(line: Line) -> [Line; 2] {
    [Line::default(), line]
}
