//! One device of one process.

use std::collections::BTreeMap;

use crate::model::{Device, Holder, Note, Notes, Process};
use crate::record::Holding;

use super::line::{Line, counted, seconds};
use super::page::{Page, at, code, in_thread};

/// What a context takes in GPU memory, as measured; the report and the README say where.
pub const CONTEXT_MIB: u32 = 524;

impl Page<'_> {
    pub fn device(&mut self, process: &Process, device: &Device) {
        self.notes("created", &device.creations, |by, note| {
            let holding = note.call.holding();
            // A green context is a part of the primary one.
            let size = match holding {
                Holding::GreenContext => String::new(),
                _ => format!(" (about {CONTEXT_MIB} MiB)"),
            };
            let text = format!("{} context{size} created by {by}", holding.kind());
            let line = at(in_thread(Line::default().text(text), process, note), note);
            line.text(format!(" ({})", note.call.function.0))
        });
        device.holders.iter().for_each(|holder| self.holdings(holder, device));
        for taking in &device.takings {
            let by = self.caller(&taking.first.call);
            let owner = device.holders.iter().find(|holder| holder.library == taking.from);
            let from = owner.map_or_else(|| taking.from.clone(), |owner| self.holder(owner));
            let count = counted(taking.count, "reference", "references");
            let line = Line::default().warning(format!("{by} released {count} of {from}"));
            self.add(line.varying(format!(", first at {}", seconds(taking.first.time))));
            self.stack(&taking.first.call);
        }
        if let Some(first) = device.unseen_releases.first.first() {
            let by = self.caller(&first.call);
            let count = counted(device.unseen_releases.total, "reference", "references");
            let text = format!("{by} released {count} that no library was seen to take");
            self.add(Line::default().text(text));
            self.stack(&first.call);
        }
        self.notes("taken from a green context", &device.taken_from_green, |by, note| {
            let (function, code) = (note.call.function.0, code(800));
            let text = format!(
                "{function} by {by} returned {code} and took the reference of a green context"
            );
            at(Line::default().warning(text), note)
        });
        self.refusals(&device.refusals);
        self.unfinished(&device.unfinished);
        self.notes("destroyed", &device.endings, |by, note| {
            let kind = note.call.holding().kind();
            let text = format!("{kind} context destroyed by {by}");
            let line = at(Line::default().text(text), note);
            line.text(format!(" ({})", note.call.function.0))
        });
        self.held(device);
    }

    /// Adds a line for each call, with its stack, and how many more there were.
    pub fn notes(&mut self, what: &str, notes: &Notes, line: impl Fn(&str, &Note) -> Line) {
        for note in &notes.first {
            self.add(line(&self.caller(&note.call), note));
            self.stack(&note.call);
            if note.call.created && note.call.visible_changed {
                let text = "CUDA_VISIBLE_DEVICES was changed after cuInit: the driver uses the former value";
                self.add(Line::default().warning(text));
            }
        }
        self.and_more(what, notes);
    }

    fn holdings(&mut self, holder: &Holder, device: &Device) {
        if holder.holding != Holding::Reference {
            return;
        }
        // The call that created the context stands above, with its stack.
        let creations = device.creations.first.iter();
        let created = creations.into_iter().any(|note| note.time == holder.first.time);
        if created && holder.acquired == 1 && holder.released == 0 {
            return;
        }
        let text = format!("{} retained it {}", self.holder(holder), times(holder.acquired));
        let mut line = Line::default().text(text);
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
        self.add(line);
        if !created {
            self.stack(&holder.first.call);
        }
    }

    /// Adds a line for each function, code and caller of calls that were refused.
    pub fn refusals(&mut self, notes: &Notes) {
        let mut groups: BTreeMap<_, Vec<&Note>> = BTreeMap::new();
        for note in &notes.first {
            let Some(result) = note.call.result.filter(|&result| result != 0) else { continue };
            let by = self.caller(&note.call);
            groups.entry((note.call.function.0, result, by)).or_default().push(note);
        }
        for ((function, result, by), notes) in groups {
            let first = notes[0];
            let denied = if first.call.denied { " (by --deny)" } else { "" };
            let exit = if first.call.after_exit { ", after the exit began" } else { "" };
            let often = match notes.len() {
                1 => String::new(),
                count => format!(", {count} times, first"),
            };
            let text = format!("{function} by {by} returned {}{denied}{exit}{often}", code(result));
            self.add(at(Line::default().warning(text), first));
            self.stack(&first.call);
        }
        self.and_more("refused", notes);
    }

    pub fn unfinished(&mut self, notes: &Notes) {
        self.notes("called", notes, |by, note| {
            let function = note.call.function.0;
            let text = format!("{function} by {by} has not returned, called");
            at(Line::default().text(text), note)
        });
    }

    fn held(&mut self, device: &Device) {
        if device.creations.total == 0 && device.holders.is_empty() {
            return;
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
        self.add(Line::default().text("held at the end: ").heading(held));
    }

    fn and_more(&mut self, what: &str, notes: &Notes) {
        let count = notes.total - notes.first.len() as u64;
        let Some(last) = notes.last.filter(|_| count > 0).map(seconds) else { return };
        let (text, last) = match count {
            1 => (format!("and {what} once more"), format!(", at {last}")),
            _ => (format!("and {what} {count} more times"), format!(", last at {last}")),
        };
        self.add(Line::default().text(text).varying(last));
    }
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}
