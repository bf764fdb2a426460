//! One process: its initialisation, its devices and its end.

use crate::model::{Device, End, Model, Process, StartedThreads};
use crate::only::Only;
use crate::verdict::Judge;

use super::fold::Block;
use super::line::{Line, seconds};
use super::page::{Page, at, code, who};
use super::{Surroundings, signal_name};

/// After a fork, every call in the child returns this.
const NOT_INITIALIZED: u32 = 3;

fn line() -> Line {
    Line::indented(2)
}

/// Lines of a device, moved to where those of a process are.
fn outdented(lines: Vec<Line>) -> impl Iterator<Item = Line> {
    lines.into_iter().map(|line| line.outdented(2))
}

impl Page<'_> {
    pub fn process(&mut self, process: &Process, model: &Model, about: &Surroundings) -> Block {
        let judge = Judge::new(model, about);
        let mut body = Vec::new();
        if about.options.only == Some(Only::LocalRank) && process.about.local_rank.is_none() {
            let text = "cannot be judged, because no launcher set a rank (LOCAL_RANK) before the \
                        driver was loaded";
            body.push(line().warning(text));
        }
        body.extend(self.inits(process));
        body.extend(self.fork(process, model));
        for device in process.devices() {
            let name = line().heading(device.name()).that_varies();
            if judge.is_stray(process, device) {
                body.push(name.text(" ").stray("is a stray, see above"));
                continue;
            }
            body.push(match judge.allows(process, device) {
                Some(true) if about.options.only.is_some() => name.text(", allowed"),
                Some(false) if about.options.only.is_some() => name.text(", not allowed"),
                None if judge.judges() => name.warning(", cannot be judged"),
                _ => name,
            });
            body.extend(self.device(process, device));
        }
        body.extend(process.devices().filter_map(started_threads));
        body.extend(outdented(self.notes("called", &process.elsewhere, |by, note| {
            let function = note.call.function.0;
            let result = match note.call.result {
                Some(result) => format!("returned {}", code(result)),
                None => "has not returned".to_owned(),
            };
            at(Line::indented(4).text(format!("{function} by {by} {result}")), note)
        })));
        for path in &process.bypasses {
            let text = format!("not traced: this process also loaded {}", path.display());
            body.push(line().warning(text));
        }
        if process.uncounted {
            let text = "the witness had no room to count all references: the numbers are too low";
            body.push(line().warning(text));
        }
        body.push(end(process, about));
        let origin = match (process.about.forked_from, process.about.parent) {
            (None, 0) => String::new(),
            (None, parent) => format!(" (started by {parent})"),
            (Some(_), 0) => " (forked)".to_owned(),
            (Some(_), parent) => format!(" (forked by {parent})"),
        };
        let title = format!("{}{origin}", process.command());
        Block { who: vec![who(process)], heading: (Line::default(), title), body }
    }

    /// When the driver was initialised, and by whom.
    fn inits(&mut self, process: &Process) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(first) = process.inits.successful.first.first() {
            let by = self.caller(&first.call);
            lines.push(at(line().text(format!("cuInit by {by}")), first));
            lines.extend(outdented(self.stack(&first.call)));
        }
        lines.extend(outdented(self.refusals(&process.inits.refused)));
        lines.extend(outdented(self.unfinished(&process.inits.unfinished)));
        lines
    }

    /// Explains why the driver refuses everything in a child that was forked too late.
    fn fork(&mut self, process: &Process, model: &Model) -> Vec<Line> {
        let refused = [&process.inits.refused, &process.elsewhere].into_iter();
        let refused = refused.chain(process.devices().map(|device| &device.refusals));
        let mut notes = refused.flat_map(|notes| &notes.first);
        if !notes.any(|note| note.call.result == Some(NOT_INITIALIZED)) {
            return Vec::new();
        }
        let parent = process.about.forked_from.and_then(|number| model.process(number));
        let Some((parent, first)) =
            parent.and_then(|parent| Some((parent, parent.inits.successful.first.first()?)))
        else {
            return Vec::new();
        };
        let by = self.caller(&first.call);
        let text = "CUDA cannot be used here: this process was forked after its parent, process ";
        let after = format!(
            ", called cuInit. Start workers with spawn instead of fork. The parent's cuInit, by {by}:"
        );
        let pid = parent.pid.to_string();
        let mut lines = vec![line().warning(text).varying(pid).warning(after)];
        lines.extend(outdented(self.stack(&first.call)));
        lines
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
    let text = line().text("threads started on ").varying(device.short_name());
    (*count > 0).then(|| text.varying(format!(": {count}{names}")))
}

fn end(process: &Process, about: &Surroundings) -> Line {
    let lives = about.living.iter().any(|(pid, _)| Some(*pid) == process.about.host_pid);
    match process.end {
        Some(End::Exit(time)) => line().text("exited").varying(format!(" at {}", seconds(time))),
        Some(End::Replaced(time)) => {
            let text = "replaced by another program (exec)";
            line().text(text).varying(format!(" at {}", seconds(time)))
        }
        None if lives => line().warning("still runs"),
        None => match about.signal().filter(|_| process.about.host_pid == about.program) {
            Some(signal) => line().text(format!("killed by {}", signal_name(signal))),
            None => line().text("ended without its exit handlers (by _exit or a signal)"),
        },
    }
}
