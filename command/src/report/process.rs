//! One process: its initialisation, its devices and its end.

use crate::model::{Device, End, Model, Process, StartedThreads};
use crate::verdict::Judge;

use super::fold::Block;
use super::line::{Line, seconds};
use super::page::{Page, at, code, who};
use super::{Surroundings, signal_name};

/// After a fork, every call in the child returns this.
const NOT_INITIALIZED: u32 = 3;

impl Page<'_> {
    pub fn process(&mut self, process: &Process, model: &Model, about: &Surroundings) -> Block {
        let judge = Judge::new(model, about);
        self.inits(process);
        self.fork(process, model);
        for device in process.devices() {
            let name = Line::default().heading(device.name()).that_varies();
            if judge.is_stray(process, device) {
                self.add(name.text(" ").stray("is a stray, see above"));
                continue;
            }
            self.add(match judge.allows(process, device) {
                Some(true) if about.options.only.is_some() => name.text(", allowed"),
                Some(false) if about.options.only.is_some() => name.text(", not allowed"),
                None if judge.judges() => {
                    let why = judge.why_unknown(process, device);
                    let why = why.map(|why| format!(", because {why}")).unwrap_or_default();
                    name.warning(format!(", cannot be judged{why}"))
                }
                _ => name,
            });
            self.below(|page| page.device(process, device));
        }
        process.devices().filter_map(started_threads).for_each(|line| self.add(line));
        self.notes("called", &process.elsewhere, |by, note| {
            let function = note.call.function.0;
            let result = match note.call.result {
                Some(result) => format!("returned {}", code(result)),
                None => "has not returned".to_owned(),
            };
            at(Line::default().text(format!("{function} by {by} {result}")), note)
        });
        for path in &process.bypasses {
            let text = format!("not traced: this process also loaded {}", path.display());
            self.add(Line::default().warning(text));
        }
        if process.uncounted {
            let text = "the witness had no room to count all references: the numbers are too low";
            self.add(Line::default().warning(text));
        }
        self.add(end(process, about));
        let origin = match (process.about.forked_from, process.about.parent) {
            (None, 0) => String::new(),
            (None, parent) => format!(" (started by {parent})"),
            (Some(_), 0) => " (forked)".to_owned(),
            (Some(_), parent) => format!(" (forked by {parent})"),
        };
        let title = format!("{}{origin}", process.command());
        Block {
            who: vec![who(process)],
            heading: (Line::default(), title),
            body: self.take_lines(),
        }
    }

    fn inits(&mut self, process: &Process) {
        if let Some(first) = process.inits.successful.first.first() {
            let by = self.caller(&first.call);
            self.add(at(Line::default().text(format!("cuInit by {by}")), first));
            self.stack(&first.call);
        }
        self.refusals(&process.inits.refused);
        self.unfinished(&process.inits.unfinished);
    }

    /// Explains why the driver refuses everything in a child that was forked too late.
    fn fork(&mut self, process: &Process, model: &Model) {
        let refused = [&process.inits.refused, &process.elsewhere].into_iter();
        let refused = refused.chain(process.devices().map(|device| &device.refusals));
        let mut notes = refused.flat_map(|notes| &notes.first);
        if !notes.any(|note| note.call.result == Some(NOT_INITIALIZED)) {
            return;
        }
        let parent = process.about.forked_from.and_then(|number| model.process(number));
        let Some((parent, first)) =
            parent.and_then(|parent| Some((parent, parent.inits.successful.first.first()?)))
        else {
            return;
        };
        let by = self.caller(&first.call);
        let text = "CUDA cannot be used here: this process was forked after its parent, process ";
        let after = format!(
            ", called cuInit. Start workers with spawn instead of fork. The parent's cuInit, by {by}:"
        );
        let pid = parent.pid.to_string();
        self.add(Line::default().warning(text).varying(pid).warning(after));
        self.stack(&first.call);
    }
}

/// How many threads began on a device because their creator used it.
fn started_threads(device: &Device) -> Option<Line> {
    let StartedThreads { count, names } = &device.started;
    let more = if names.len() > StartedThreads::NAMES { ", …" } else { "" };
    let names = match &names[..names.len().min(StartedThreads::NAMES)] {
        [] => String::new(),
        names => format!(" ({}{more})", names.join(", ")),
    };
    let text = Line::default().text("threads started on ").varying(device.short_name());
    (*count > 0).then(|| text.varying(format!(": {count}{names}")))
}

fn end(process: &Process, about: &Surroundings) -> Line {
    let lives = about.living.iter().any(|(pid, _)| Some(*pid) == process.about.host_pid);
    match process.end {
        Some(End::Exit(time)) => {
            Line::default().text("exited").varying(format!(" at {}", seconds(time)))
        }
        Some(End::Replaced(time)) => {
            let text = "replaced by another program (exec)";
            Line::default().text(text).varying(format!(" at {}", seconds(time)))
        }
        None if lives => Line::default().warning("still runs"),
        None => match about.signal().filter(|_| process.about.host_pid == about.program) {
            Some(signal) => Line::default().text(format!("killed by {}", signal_name(signal))),
            None => Line::default().text("ended without its exit handlers (by _exit or a signal)"),
        },
    }
}
