//! Events as they happen, a line each, for people.

use std::time::Duration;

use crate::model::Model;
use crate::record::{Call, Event, Record};
use crate::report::{Line, Page, code, seconds};
use crate::stack;
use crate::symbols::Symbols;
use crate::untraced::Untraced;

fn line(time: Duration, pid: u32, text: impl Into<String>) -> Line {
    Line::default().faint(format!("cuda-contexts: {} {pid}", seconds(time))).text(" ").text(text)
}

/// The event of a record, which the model has taken in already; `None` for what is no event.
pub fn event(record: &Record, model: &Model, symbols: &mut Symbols) -> Option<Line> {
    let process = model.process(record.process)?;
    let text = match &record.event {
        Event::Module(_) | Event::Device(_) => return None,
        Event::Process(_) => format!("loaded the driver: {}", process.command()),
        Event::Exit(_) => "exit".to_owned(),
        Event::Bypass(path) => format!("not traced: also loaded {}", path.display()),
        Event::ThreadStart(start) => {
            format!("thread {} started on {}", record.tid, process.device_of(start.device)?.name())
        }
        Event::Call(call) => {
            let device = call.device.and_then(|at| process.device_of(at));
            let on = device.map(|device| format!(", {}", device.name())).unwrap_or_default();
            let by = Page::new(&model.modules, symbols, "").caller(call);
            let first = stack::lines(call, &model.modules, symbols).into_iter().next();
            let at = first.map(|line| format!(" [{line}]")).unwrap_or_default();
            format!("{} by {by}{on}{}{at}", call.function.0, outcome(call))
        }
    };
    Some(line(record.time, record.pid, text))
}

pub fn untraced(time: Duration, found: &Untraced) -> Line {
    line(time, found.pid, format!("not traced: loaded {}", found.library.display()))
}

fn outcome(call: &Call) -> String {
    let kind = call.holding().kind();
    match call.result {
        None => ": has not returned".to_owned(),
        Some(0) if call.created => format!(": {kind} context created"),
        Some(0) if call.ended => format!(": {kind} context destroyed"),
        Some(0) => String::new(),
        Some(result) if call.denied => format!(": {} (by --deny)", code(result)),
        Some(result) => format!(": {}", code(result)),
    }
}
