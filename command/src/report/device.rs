//! One device of one process.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};

use cuda_primary_context::sys::CUresult;

use crate::model::{Device, Holder, Inits, Kind, Modules, Note, Notes};
use crate::record::{Call, Holding};
use crate::stack::{self, Line};
use crate::symbols::Symbols;

use super::style::{Styled, seconds};

/// How many lines of a stack people are shown.
const STACK_LINES: usize = 12;

/// Where the report is written, and what names are looked up in.
pub struct Page<'report> {
    pub to: &'report mut dyn Write,
    pub modules: &'report Modules,
    pub symbols: &'report mut Symbols,
    /// The current folder with a slash: what lies in it is named from there on.
    pub folder: String,
}

/// The name of a result code, with its number.
pub fn code(answer: u32) -> String {
    match CUresult(answer).name() {
        Some(name) => format!("{name} ({answer})"),
        None => format!("{answer}"),
    }
}

impl Page<'_> {
    /// When the driver was initialised, and by whom.
    pub fn init(&mut self, inits: &Inits) -> io::Result<()> {
        if let Some(first) = inits.successful.first().first() {
            let by = self.modules.name(first.call.caller());
            writeln!(self.to, "  cuInit by {by} at {}", seconds(first.time))?;
            self.stack(&first.call)?;
        }
        self.refusals(&inits.refused)?;
        self.unfinished(&inits.unfinished)
    }

    /// What happened on a device.
    pub fn device(&mut self, device: &Device) -> io::Result<()> {
        self.creations(&device.creations)?;
        for holder in device.holders.iter().filter(|each| each.holding == Holding::Reference) {
            self.holder(holder, device)?;
        }
        for taking in &device.takings {
            let text = format!(
                "{} released {} of {}, first at {}",
                taking.by,
                references(taking.count),
                taking.from,
                seconds(taking.first.time)
            );
            writeln!(self.to, "    {}", Styled::warning(text))?;
            self.stack(&taking.first.call)?;
        }
        if let Some(first) = device.unseen_releases.first().first() {
            let by = self.modules.name(first.call.caller());
            let count = references(device.unseen_releases.total());
            writeln!(self.to, "    {by} released {count} that nobody was seen to take")?;
            self.stack(&first.call)?;
        }
        self.taken_from_green(&device.taken_from_green)?;
        self.refusals(&device.refusals)?;
        self.unfinished(&device.unfinished)?;
        self.endings(&device.endings)?;
        self.left(device)
    }

    fn unfinished(&mut self, notes: &Notes) -> io::Result<()> {
        for note in notes.first() {
            let function = note.call.function.0;
            let began = seconds(note.time);
            writeln!(self.to, "    {function}, called at {began}, has not returned")?;
            self.stack(&note.call)?;
        }
        Ok(())
    }

    fn creations(&mut self, creations: &Notes) -> io::Result<()> {
        let shown = creations.first().len() as u64;
        for note in creations.first() {
            let by = self.modules.name(note.call.caller());
            let (kind, time) = (Kind::of(&note.call).name(), seconds(note.time));
            let (function, thread) = (note.call.function.0, note.tid);
            writeln!(
                self.to,
                "    {kind} context made by {by} at {time} ({function}, thread {thread})"
            )?;
            self.stack(&note.call)?;
        }
        self.and_more(creations.total() - shown, "made", creations)
    }

    fn endings(&mut self, endings: &Notes) -> io::Result<()> {
        for note in endings.first() {
            let by = self.modules.name(note.call.caller());
            let (kind, time) = (Kind::of(&note.call).name(), seconds(note.time));
            let function = note.call.function.0;
            writeln!(self.to, "    {kind} context ended by {by} at {time} ({function})")?;
        }
        self.and_more(endings.total() - endings.first().len() as u64, "ended", endings)
    }

    fn and_more(&mut self, count: u64, what: &str, notes: &Notes) -> io::Result<()> {
        match notes.last() {
            Some(last) if count == 1 => {
                writeln!(self.to, "    and {what} once more, at {}", seconds(last))
            }
            Some(last) if count > 0 => {
                let last = seconds(last);
                writeln!(self.to, "    and {what} {count} more times, the last at {last}")
            }
            _ => Ok(()),
        }
    }

    fn holder(&mut self, holder: &Holder, device: &Device) -> io::Result<()> {
        // The call that made the context stands above, with its stack.
        let creations = device.creations.first().iter();
        let made_it = creations.into_iter().any(|note| note.time == holder.first.time);
        if made_it && holder.acquired == 1 && holder.released == 0 {
            return Ok(());
        }
        let (library, retained) = (&holder.library, times(holder.acquired));
        write!(self.to, "    {library} retained it {retained}")?;
        if !made_it {
            write!(self.to, ", first at {}", seconds(holder.first.time))?;
        }
        match holder.last_release {
            Some(last) if holder.released == 1 => {
                writeln!(self.to, ", and released it once at {}", seconds(last))?;
            }
            Some(last) => {
                let released = times(holder.released);
                writeln!(self.to, ", and released it {released}, the last at {}", seconds(last))?;
            }
            None => writeln!(self.to)?,
        }
        if made_it { Ok(()) } else { self.stack(&holder.first.call) }
    }

    fn taken_from_green(&mut self, notes: &Notes) -> io::Result<()> {
        for note in notes.first() {
            let by = self.modules.name(note.call.caller());
            let (function, answer) = (note.call.function.0, code(800));
            let text = format!(
                "{function} of {by} answered {answer}, and took the reference of a green context"
            );
            writeln!(self.to, "    {} at {}", Styled::warning(text), seconds(note.time))?;
            self.stack(&note.call)?;
        }
        let more = notes.total() - notes.first().len() as u64;
        self.and_more(more, "taken from a green context", notes)
    }

    /// Of one function, code and library, one line; where `--deny` refused, the stack, too.
    fn refusals(&mut self, notes: &Notes) -> io::Result<()> {
        let mut groups: BTreeMap<_, Vec<&Note>> = BTreeMap::new();
        for note in notes.first() {
            let Some(answer) = note.call.result.filter(|&answer| answer != 0) else { continue };
            let by = self.modules.name(note.call.caller());
            groups.entry((note.call.function.0, answer, by)).or_default().push(note);
        }
        for ((function, answer, by), notes) in groups {
            let [first, ..] = notes[..] else { continue };
            let denied = if first.call.denied { ", by --deny" } else { "" };
            let exit = if first.call.after_exit { ", after the exit began" } else { "" };
            let often =
                if notes.len() > 1 { format!(", {} times", notes.len()) } else { String::new() };
            let text = format!("{function} of {by} refused with {}{denied}{often}", code(answer));
            let text = Styled::warning(text);
            writeln!(self.to, "    {text}, first at {}{exit}", seconds(first.time))?;
            self.stack(&first.call)?;
        }
        self.and_more(notes.total() - notes.first().len() as u64, "refused", notes)
    }

    /// Calls about a device that is not known.
    pub fn elsewhere(&mut self, notes: &Notes) -> io::Result<()> {
        for note in notes.first() {
            let by = self.modules.name(note.call.caller());
            let (function, time) = (note.call.function.0, seconds(note.time));
            let answer = note.call.result.map_or_else(|| "has not returned".to_owned(), code);
            writeln!(self.to, "  {function} of {by} at {time}: {answer}")?;
        }
        Ok(())
    }

    fn left(&mut self, device: &Device) -> io::Result<()> {
        if device.creations.total() == 0 && device.holders.is_empty() {
            return Ok(());
        }
        let left: Vec<String> = device
            .held()
            .map(|holder| match Kind::held(holder.holding) {
                Kind::Primary => format!("{} {}", holder.library, holder.count()),
                kind => format!("{} {} ({} context)", holder.library, holder.count(), kind.name()),
            })
            .collect();
        let left = if left.is_empty() { "nothing".to_owned() } else { left.join(", ") };
        writeln!(self.to, "    held at the end: {}", Styled::heading(left))
    }

    fn stack(&mut self, call: &Call) -> io::Result<()> {
        let lines = stack::lines(call, self.modules, self.symbols);
        // Where there is no stack, the one line repeats the library.
        if lines.len() > 1 || matches!(lines.first(), Some(Line::Python(_))) {
            for line in lines.iter().take(STACK_LINES) {
                let line = line.to_string();
                let line = line.strip_prefix(&self.folder).unwrap_or(&line);
                writeln!(self.to, "      {}", Styled::code(line))?;
            }
            if lines.len() > STACK_LINES {
                let more = Styled::faint(format!("and {} more", lines.len() - STACK_LINES));
                writeln!(self.to, "      {more}")?;
            }
        }
        if call.python_failed {
            let text = Styled::faint("lines of Python could not all be read");
            writeln!(self.to, "      {text}")?;
        }
        if matches!(lines.first(), Some(Line::Python(_))) {
            let route = stack::route(call, self.modules, self.symbols).join(", ");
            writeln!(self.to, "      {}", Styled::faint(format!("through {route}")))?;
        }
        Ok(())
    }
}

fn references(count: u64) -> String {
    if count == 1 { "1 reference".to_owned() } else { format!("{count} references") }
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}
