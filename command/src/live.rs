//! Events as they happen, a line each, for people.

use std::io::{self, Write};

use crate::model::{Device, Kind, Model};
use crate::record::{Call, Event, Record};
use crate::report::{Styled, code, seconds};
use crate::stack;
use crate::symbols::Symbols;

/// Writes what a record tells, which the model has taken in already.
///
/// # Errors
///
/// When nobody reads it.
pub fn write(
    to: &mut dyn Write,
    record: &Record,
    model: &Model,
    symbols: &mut Symbols,
) -> io::Result<()> {
    let stamp = Styled::faint(format!("cuda-contexts: {} {}", seconds(record.time), record.pid));
    let process = model.process(record.process);
    match &record.event {
        Event::Module(_) | Event::Device(_) => Ok(()),
        Event::Process(_) => {
            let command = process.map(|process| process.command()).unwrap_or_default();
            writeln!(to, "{stamp} loaded the driver: {command}")
        }
        Event::Exit(_) => writeln!(to, "{stamp} exit"),
        Event::Bypass(path) => {
            let text = format!("not traced: {} is loaded, too", path.display());
            writeln!(to, "{stamp} {}", Styled::warning(text))
        }
        Event::Call(call) => {
            let device = process.zip(call.device).and_then(|(process, at)| process.device_of(at));
            let by = model.modules().name(call.caller());
            let text = text(call, &by, device);
            let first = stack::lines(call, model.modules(), symbols)
                .into_iter()
                .find(|line| matches!(line, stack::Line::Python(_)) || call.python.is_empty());
            let from = first.map(|line| format!(" [{}]", Styled::code(line))).unwrap_or_default();
            if device.is_some_and(Device::is_stray) && (call.created || call.denied) {
                writeln!(to, "{stamp} {}{from}", Styled::stray(text))
            } else {
                writeln!(to, "{stamp} {text}{from}")
            }
        }
    }
}

fn text(call: &Call, by: &str, device: Option<&Device>) -> String {
    let function = call.function.0;
    let on = device.map(|device| format!(", {}", device.name())).unwrap_or_default();
    let kind = Kind::of(call).name();
    let what = match call.result {
        None => ": has not returned".to_owned(),
        Some(0) if call.created => format!(": {kind} context made"),
        Some(0) if call.ended => format!(": {kind} context ended"),
        Some(0) => String::new(),
        Some(answer) if call.denied => format!(": {}, by --deny", code(answer)),
        Some(answer) => format!(": {}", code(answer)),
    };
    format!("{function} of {by}{on}{what}")
}
