//! The report at the end, for people.

mod device;
mod fold;
mod headline;
pub mod line;
mod page;
mod process;
mod stack_lines;
mod stray;
#[cfg(test)]
pub mod tests;

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

use crate::model::{Model, Process};
use crate::options::Options;
use crate::symbols::Symbols;
use crate::untraced::Untraced;
use crate::verdict::{Judge, Verdict, devices};

pub use device::CONTEXT_MIB;
pub use line::{Line, counted, seconds};
pub use page::{Page, code};

/// What the records do not say.
#[derive(Debug, Default)]
pub struct Surroundings {
    pub status: Option<ExitStatus>,
    pub program: Option<u32>,
    pub untraced: Vec<Untraced>,
    /// Whether a process opened the driver's file. `None`: unknown.
    pub driver_was_opened: Option<bool>,
    /// Why nobody would have noticed that the driver was opened.
    pub opens_were_missed: Option<String>,
    /// Processes that have the witness but wrote no record, with their command lines.
    pub silent: Vec<(u32, String)>,
    /// Whether one of them ended before it could be looked at.
    pub has_unseen: bool,
    /// Processes that could not be looked at, with their command lines.
    pub unreadable: Vec<(u32, String)>,
    pub lost: u64,
    pub damaged: bool,
    /// Processes that still run, with their command lines.
    pub living: Vec<(u32, String)>,
    pub options: Options,
    pub verdict: Verdict,
}

impl Surroundings {
    pub fn signal(&self) -> Option<i32> {
        self.status.and_then(|status| status.signal())
    }

    /// What was not traced or might have been missed, a sentence each. What a process's own lines say
    /// is left out.
    pub fn gaps(&self, model: &Model) -> Vec<String> {
        let doubts = self.doubts().filter(|_| self.options.is_gate());
        let living = self.living.iter().map(|(pid, command)| {
            format!("Process {pid} still runs and is no longer traced: {command}")
        });
        self.missing(model).into_iter().chain(doubts).chain(living).collect()
    }

    /// What is known to be missing, and why.
    fn missing(&self, model: &Model) -> Vec<String> {
        let mut gaps = Vec::new();
        for Untraced { pid, command, library, reason } in &self.untraced {
            let seen_by_the_witness = model.processes.iter().any(|process| {
                process.about.host_pid == Some(*pid) && process.bypasses.contains(library)
            });
            if !seen_by_the_witness {
                let (library, reason) = (library.display(), reason.text());
                let text = format!("Process {pid} loaded {library}, which is not traced: {reason}");
                gaps.push(format!("{text} ({command})."));
            }
        }
        for (pid, command) in &self.silent {
            let text = "loaded the trace's library but wrote no record";
            gaps.push(format!("Process {pid} {text} ({command})."));
        }
        if self.has_unseen {
            let text = "A process loaded the trace's library but wrote no record";
            gaps.push(format!("{text}: it could not open the trace's memory."));
        }
        if self.driver_was_opened == Some(true) && model.processes.is_empty() {
            gaps.push("The driver's file was opened, but no process was traced.".to_owned());
        }
        if self.lost > 0 {
            let events = counted(self.lost, "event was", "events were");
            gaps.push(format!("{events} lost: the shared memory was full."));
        }
        if self.damaged {
            let text =
                "The program overwrote the trace's shared memory: records may be missing or wrong.";
            gaps.push(text.to_owned());
        }
        gaps
    }

    /// What might have been missed, although there is no sign of it.
    fn doubts(&self) -> impl Iterator<Item = String> {
        let unreadable = self.unreadable.iter().map(|(pid, command)| {
            format!("Process {pid} could not be looked at: permission denied ({command}).")
        });
        let opens = self
            .opens_were_missed
            .iter()
            .map(|error| format!("It could not be watched whether processes open {error}."));
        unreadable.chain(opens)
    }

    /// Whether something is known to be missing.
    fn incomplete(&self, model: &Model) -> bool {
        let bypassed = |process: &Process| !process.bypasses.is_empty();
        model.processes.iter().any(bypassed) || !self.missing(model).is_empty()
    }
}

pub fn text(model: &Model, symbols: &mut Symbols, about: &Surroundings) -> String {
    let folder = env::current_dir().map(|folder| format!("{}/", folder.display()));
    let folder = folder.unwrap_or_default();
    let mut page = Page::new(&model.modules, symbols, &folder);
    let mut lines = headline::lines(model, about);
    let strays = Judge::new(model, about).strays();
    let strays = strays.into_iter().map(|(process, device)| page.stray(process, device, about));
    lines.extend(fold::fold(strays));
    let active = model.processes.iter().filter(|process| process.did_anything());
    lines.extend(fold::fold(active.map(|process| page.process(process, model, about))));
    lines.extend(rest(model, about));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What was not traced, and what holds for all of the report.
fn rest(model: &Model, about: &Surroundings) -> Vec<Line> {
    let mut lines = Vec::new();
    let idle = model.processes.iter().filter(|process| !process.did_anything()).count();
    if idle > 0 {
        let idle = counted(idle as u64, "more process", "more processes");
        let text = format!("{idle} loaded the driver without initialising it.");
        lines.extend(paragraph(Line::default().text(text)));
    }
    // If the run cannot be judged, these reasons stand at the beginning.
    let gaps = match about.verdict {
        Verdict::NotJudged(_) => Vec::new(),
        _ => about.gaps(model),
    };
    lines.extend((!gaps.is_empty()).then(Line::default));
    lines.extend(gaps.into_iter().map(|gap| Line::default().warning(gap)));
    if devices(model).any(|(_, device)| device.creations.total > 0) {
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

/// The name of a signal, such as `SIGSEGV`.
fn signal_name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |name| name.to_string())
}
