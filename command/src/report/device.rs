//! One device of one process.

use std::collections::BTreeMap;

use crate::model::{Device, Holder, Note, Notes, Process};
use crate::record::Holding;

use super::line::{Line, counted, seconds};
use super::page::{Page, at, code, in_thread};

/// What a context takes in GPU memory, as measured; the report and the README say where.
pub const CONTEXT_MIB: u32 = 524;

const INDENT: usize = 4;

fn line() -> Line {
    Line::indented(INDENT)
}

impl Page<'_> {
    pub fn device(&mut self, process: &Process, device: &Device) -> Vec<Line> {
        let mut lines = self.notes("created", &device.creations, |by, note| {
            let holding = note.call.holding();
            // A green context is a part of the primary one.
            let size = match holding {
                Holding::GreenContext => String::new(),
                _ => format!(" (about {CONTEXT_MIB} MiB)"),
            };
            let text = format!("{} context{size} created by {by}", holding.kind());
            let line = at(in_thread(line().text(text), process, note), note);
            line.text(format!(" ({})", note.call.function.0))
        });
        for holder in &device.holders {
            lines.extend(self.holdings(holder, device));
        }
        for taking in &device.takings {
            let by = self.caller(&taking.first.call);
            let owner = device.holders.iter().find(|holder| holder.library == taking.from);
            let from = owner.map_or_else(|| taking.from.clone(), |owner| self.holder(owner));
            let count = counted(taking.count, "reference", "references");
            let text = format!("{by} released {count} of {from}");
            lines.push(
                line().warning(text).varying(format!(", first at {}", seconds(taking.first.time))),
            );
            lines.extend(self.stack(&taking.first.call));
        }
        if let Some(first) = device.unseen_releases.first.first() {
            let by = self.caller(&first.call);
            let count = counted(device.unseen_releases.total, "reference", "references");
            lines.push(
                line().text(format!("{by} released {count} that no library was seen to take")),
            );
            lines.extend(self.stack(&first.call));
        }
        lines.extend(self.notes(
            "taken from a green context",
            &device.taken_from_green,
            |by, note| {
                let (function, code) = (note.call.function.0, code(800));
                let text = format!(
                    "{function} by {by} returned {code} and took the reference of a green context"
                );
                at(line().warning(text), note)
            },
        ));
        lines.extend(self.refusals(&device.refusals));
        lines.extend(self.unfinished(&device.unfinished));
        lines.extend(self.notes("destroyed", &device.endings, |by, note| {
            let kind = note.call.holding().kind();
            let line = at(line().text(format!("{kind} context destroyed by {by}")), note);
            line.text(format!(" ({})", note.call.function.0))
        }));
        lines.extend(self.held(device));
        lines
    }

    /// A line for each call, with its stack, and how many more there were.
    pub fn notes(
        &mut self,
        what: &str,
        notes: &Notes,
        describe: impl Fn(&str, &Note) -> Line,
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        for note in &notes.first {
            lines.push(describe(&self.caller(&note.call), note));
            lines.extend(self.stack(&note.call));
            if note.call.created && note.call.visible_changed {
                let text = "CUDA_VISIBLE_DEVICES was changed after cuInit: the driver uses the former value";
                lines.push(line().warning(text));
            }
        }
        lines.extend(and_more(what, notes));
        lines
    }

    fn holdings(&mut self, holder: &Holder, device: &Device) -> Vec<Line> {
        if holder.holding != Holding::Reference {
            return Vec::new();
        }
        // The call that created the context stands above, with its stack.
        let creations = device.creations.first.iter();
        let created = creations.into_iter().any(|note| note.time == holder.first.time);
        if created && holder.acquired == 1 && holder.released == 0 {
            return Vec::new();
        }
        let mut line =
            line().text(format!("{} retained it {}", self.holder(holder), times(holder.acquired)));
        if !created {
            line = line.varying(format!(", first at {}", seconds(holder.first.time)));
        }
        if let Some(last) = holder.last_release {
            let last = seconds(last);
            line = line.text(format!(", and released it {}", times(holder.released)));
            line = match holder.released {
                1 => line.varying(format!(" at {last}")),
                _ => line.varying(format!(", last at {last}")),
            };
        }
        let mut lines = vec![line];
        if !created {
            lines.extend(self.stack(&holder.first.call));
        }
        lines
    }

    /// Calls that were refused: one line for each function, code and caller.
    pub fn refusals(&mut self, notes: &Notes) -> Vec<Line> {
        let mut groups: BTreeMap<_, Vec<&Note>> = BTreeMap::new();
        for note in &notes.first {
            let Some(result) = note.call.result.filter(|&result| result != 0) else { continue };
            let by = self.caller(&note.call);
            groups.entry((note.call.function.0, result, by)).or_default().push(note);
        }
        let mut lines = Vec::new();
        for ((function, result, by), notes) in groups {
            let first = notes[0];
            let denied = if first.call.denied { " (by --deny)" } else { "" };
            let exit = if first.call.after_exit { ", after the exit began" } else { "" };
            let often = match notes.len() {
                1 => String::new(),
                count => format!(", {count} times, first"),
            };
            let text = format!("{function} by {by} returned {}{denied}{exit}{often}", code(result));
            lines.push(at(line().warning(text), first));
            lines.extend(self.stack(&first.call));
        }
        lines.extend(and_more("refused", notes));
        lines
    }

    pub fn unfinished(&mut self, notes: &Notes) -> Vec<Line> {
        self.notes("called", notes, |by, note| {
            let function = note.call.function.0;
            at(line().text(format!("{function} by {by} has not returned, called")), note)
        })
    }

    fn held(&mut self, device: &Device) -> Vec<Line> {
        if device.creations.total == 0 && device.holders.is_empty() {
            return Vec::new();
        }
        let held = device.held().map(|holder| {
            let (one, more) = match holder.holding {
                Holding::Reference => ("reference", "references"),
                Holding::OrdinaryContext => ("ordinary context", "ordinary contexts"),
                Holding::GreenContext | Holding::GreenReference => {
                    ("green context", "green contexts")
                }
            };
            format!("{} by {}", counted(holder.count(), one, more), self.holder(holder))
        });
        let held: Vec<String> = held.collect();
        let held = if held.is_empty() { "nothing".to_owned() } else { held.join(", ") };
        vec![line().text("held at the end: ").heading(held)]
    }
}

fn and_more(what: &str, notes: &Notes) -> Option<Line> {
    let count = notes.total - notes.first.len() as u64;
    let last = notes.last.filter(|_| count > 0).map(seconds)?;
    Some(match count {
        1 => line().text(format!("and {what} once more")).varying(format!(", at {last}")),
        _ => line()
            .text(format!("and {what} {count} more times"))
            .varying(format!(", last at {last}")),
    })
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}
