//! Events as lines of JSON, for programs. The README has the schema. A path need not be UTF-8, but JSON
//! must be: what is not UTF-8 is replaced.

#[cfg(test)]
mod tests;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use cuda_primary_context::sys::CUresult;
use serde_json::{Value, json};

use crate::model::{Device, Holder, Model, Process, UNKNOWN_CODE};
use crate::options::Options;
use crate::record::{self, Call, Event, Holding, Record};
use crate::report::Surroundings;
use crate::stack::{self, NativeLine};
use crate::symbols::Symbols;
use crate::untraced::Untraced;
use crate::verdict::{Judge, Verdict, devices};

/// The version of the schema: it grows when a field changes its meaning or is removed.
pub const SCHEMA: u32 = 1;

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// `null` if it is not known.
fn library(name: &str) -> Option<&str> {
    Some(name).filter(|name| *name != UNKNOWN_CODE)
}

pub fn trace(options: &Options, driver: Option<&Path>) -> Value {
    let command: Vec<_> = options.command.iter().map(|word| word.to_string_lossy()).collect();
    json!({
        "event": "trace",
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "command": command,
        "driver": driver.map(path),
        "only": options.only.as_ref().map(ToString::to_string),
        "forbid": options.forbid,
        "deny": options.deny,
        "allow_untraced": options.allow_untraced,
        "stack": options.stack,
    })
}

/// The event of a record, which the model has taken in already; `None` for what is no event of its own.
pub fn event(record: &Record, model: &Model, symbols: &mut Symbols) -> Option<Value> {
    let process = model.process(record.process)?;
    let mut line = match &record.event {
        Event::Module(_) => return None,
        Event::Process(about) => process_line(about, process),
        Event::Device(about) => json!({
            "event": "device",
            "handle": about.handle,
            "device": about.ordinal,
            "uuid": process.device_of(about.handle).and_then(Device::uuid),
            "count": about.count,
            "allowed": about.allowed,
        }),
        Event::Call(call) => {
            let mut line = call_line(call, process, model, symbols);
            line["tid"] = record.tid.into();
            line
        }
        Event::ThreadStart(start) => json!({
            "event": "thread",
            "tid": record.tid,
            "thread": start.thread,
            "handle": start.device,
            "device": process.device_of(start.device).and_then(|device| device.about.ordinal),
        }),
        Event::Exit(_) => json!({ "event": "exit" }),
        Event::Bypass(library) => json!({ "event": "bypass", "library": path(library) }),
    };
    line["time"] = record.time.as_secs_f64().into();
    line["process"] = record.process.into();
    line["pid"] = record.pid.into();
    Some(line)
}

fn process_line(about: &record::Process, process: &Process) -> Value {
    let rank =
        process.rank().map(|(variable, value)| json!({ "variable": variable, "value": value }));
    json!({
        "event": "process",
        "parent": about.parent,
        "forked_from": about.forked_from,
        "command": about.arguments,
        "executable": path(&about.executable),
        "python": about.python.map(|(major, minor)| format!("{major}.{minor}")),
        "rank": rank,
        "cuda_visible_devices": process.variable("CUDA_VISIBLE_DEVICES"),
    })
}

fn call_line(call: &Call, process: &Process, model: &Model, symbols: &mut Symbols) -> Value {
    let (device, modules) = (call.device.and_then(|at| process.device_of(at)), &model.modules);
    let allowed = device.and_then(|device| device.about.allowed);
    let stray = if call.created { allowed.map(|allowed| !allowed) } else { Some(false) };
    let native = stack::native(call, modules, symbols).into_iter().map(native_line);
    json!({
        "event": "call",
        "thread": call.thread,
        "function": call.function.0,
        "handle": call.device,
        "device": device.and_then(|device| device.about.ordinal),
        "result": call.result,
        "result_name": call.result.and_then(|result| CUresult(result).name()),
        "seconds": call.took.as_secs_f64(),
        "context": (call.context != 0).then(|| format!("{:#x}", call.context)),
        "kind": (call.created || call.ended).then(|| call.holding().kind()),
        "created": call.created,
        "ended": call.ended,
        "denied": call.denied,
        "stray": stray,
        "after_exit": call.after_exit,
        "library": library(&modules.name(call.caller())),
        "library_path": modules.path(call.caller()).map(path),
        "reference_of": call.taken_from().and_then(|module| library(&modules.name(module)).map(str::to_owned)),
        "uncounted": call.uncounted,
        "references": call.references,
        "visible_devices_changed": call.visible_changed,
        "python": call.python,
        "python_complete": !call.python_failed,
        "native": native.collect::<Vec<_>>(),
    })
}

fn native_line(line: NativeLine) -> Value {
    json!({
        "library": line.path.as_deref().map(path),
        "address": line.address,
        "function": line.place.function,
        "file": line.place.file,
        "line": line.place.line,
    })
}

pub fn untraced(time: Duration, untraced: &Untraced) -> Value {
    json!({
        "event": "untraced",
        "time": time.as_secs_f64(),
        "pid": untraced.pid,
        "command": untraced.command,
        "library": path(&untraced.library),
        "reason": untraced.reason,
    })
}

pub fn end(time: Duration, status: ExitStatus, model: &Model, about: &Surroundings) -> Value {
    let judge = Judge::new(model, about);
    let devices = devices(model).map(|(process, device)| {
        let mut line = device_line(process, device);
        line["allowed"] = judge.allows(process, device).into();
        line["stray"] = judge.is_stray(process, device).into();
        line
    });
    let (verdict, reasons) = match &about.verdict {
        Verdict::Passed => (about.options.is_gate().then_some("passed"), &[][..]),
        Verdict::Stray => (Some("stray"), &[][..]),
        Verdict::NotJudged(reasons) => (Some("not_judged"), &reasons[..]),
    };
    json!({
        "event": "end",
        "time": time.as_secs_f64(),
        "status": status.code(),
        "signal": status.signal(),
        "lost": about.lost,
        "strays": judge.strays().len(),
        "verdict": verdict,
        "reasons": reasons,
        "still_running": about.living.iter().map(|(pid, _)| *pid).collect::<Vec<_>>(),
        "devices": devices.collect::<Vec<_>>(),
    })
}

/// A device of a process that runs now, with the calls that created contexts on it.
pub fn device_until_now(
    process: &Process,
    device: &Device,
    model: &Model,
    symbols: &mut Symbols,
) -> Value {
    let mut line = device_line(process, device);
    let creations = device.creations.first.iter().map(|note| {
        let mut call = call_line(&note.call, process, model, symbols);
        call["tid"] = note.tid.into();
        call
    });
    line["creations"] = creations.collect();
    line
}

fn device_line(process: &Process, device: &Device) -> Value {
    let references = |holder: &&Holder| holder.holding == Holding::Reference;
    let holders = device.holders.iter().filter(references).map(|holder| {
        json!({
            "library": library(&holder.library),
            "references": holder.count(),
            "retained": holder.acquired,
            "released": holder.released,
        })
    });
    let taken = device.takings.iter();
    let taken = taken.map(
        |each| json!({ "by": library(&each.by), "from": library(&each.from), "count": each.count }),
    );
    let contexts = device.held().filter(|holder| !references(holder)).map(|holder| {
        let kind = holder.holding.kind();
        json!({ "library": library(&holder.library), "kind": kind, "count": holder.count() })
    });
    json!({
        "process": process.number,
        "pid": process.pid,
        "handle": device.about.handle,
        "device": device.about.ordinal,
        "uuid": device.uuid(),
        "created": device.creations.total,
        "ended": device.endings.total,
        "refused": device.refusals.total,
        "threads_started": device.started.count,
        "holders": holders.collect::<Vec<_>>(),
        "taken": taken.collect::<Vec<_>>(),
        "contexts": contexts.collect::<Vec<_>>(),
    })
}
