//! Events as they happen, a line each, for people.

use std::io::{self, Write};
use std::time::Duration;

use crate::model::{Device, Kind, Model};
use crate::record::{Call, Event, Record};
use crate::report::{Line, code, seconds};
use crate::stack;
use crate::symbols::Symbols;
use crate::untraced::Untraced;

fn stamp(time: Duration, pid: u32) -> Line {
    Line::default().faint(format!("cuda-contexts: {} {pid}", seconds(time))).text(" ")
}

/// Writes the event of a record, which the model has taken in already.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(
    to: &mut dyn Write,
    record: &Record,
    model: &Model,
    symbols: &mut Symbols,
) -> io::Result<()> {
    let stamp = stamp(record.time, record.pid);
    let process = model.process(record.process);
    let line = match &record.event {
        Event::Module(_) | Event::Device(_) => return Ok(()),
        Event::Process(_) => {
            let command = process.map(|process| process.command()).unwrap_or_default();
            stamp.text(format!("loaded the driver: {command}"))
        }
        Event::Exit(_) => stamp.text("exit"),
        Event::Bypass(path) => {
            stamp.warning(format!("not traced: this process also loaded {}", path.display()))
        }
        Event::Call(call) => {
            let device = process.zip(call.device).and_then(|(process, at)| process.device_of(at));
            let by = model.modules().name(call.caller());
            let text = text(call, &by, device);
            let stray = device.is_some_and(|device| device.about.allowed == Some(false));
            let line = match stray && (call.created || call.denied) {
                true => stamp.stray(text),
                false => stamp.text(text),
            };
            let first = stack::lines(call, model.modules(), symbols)
                .into_iter()
                .find(|line| matches!(line, stack::Line::Python(_)) || call.python.is_empty());
            match first {
                Some(first) => line.text(" [").code(first.to_string()).text("]"),
                None => line,
            }
        }
    };
    writeln!(to, "{line}")
}

/// Writes that a process has a driver which is not traced.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_untraced(to: &mut dyn Write, time: Duration, found: &Untraced) -> io::Result<()> {
    let text = format!("not traced: this process loaded {}", found.library.display());
    writeln!(to, "{}", stamp(time, found.pid).warning(text))
}

fn text(call: &Call, by: &str, device: Option<&Device>) -> String {
    let function = call.function.0;
    let on = device.map(|device| format!(", {}", device.name())).unwrap_or_default();
    let kind = Kind::of(call).name();
    let what = match call.result {
        None => ": has not returned".to_owned(),
        Some(0) if call.created => format!(": {kind} context created"),
        Some(0) if call.ended => format!(": {kind} context destroyed"),
        Some(0) => String::new(),
        Some(result) if call.denied => format!(": {} (by --deny)", code(result)),
        Some(result) => format!(": {}", code(result)),
    };
    format!("{function} by {by}{on}{what}")
}
