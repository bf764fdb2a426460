//! The fields of each line but the last. A path need not be UTF-8, JSON must: what is not is
//! replaced.

use std::borrow::Cow;
use std::path::Path;

use cuda_primary_context::sys::CUresult;
use serde::Serialize;

use super::end::End;
use crate::model::{self, Kind, Model, Modules};
use crate::options::{Forbid, Options};
use crate::record::{Call, Event, Record};
use crate::stack::{self, NativeLine};
use crate::symbols::Symbols;
use crate::untraced::Untraced;

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line<'trace> {
    Trace(Trace<'trace>),
    Process(Process<'trace>),
    Device(Device),
    Call(Box<CallLine<'trace>>),
    Exit {
        time: f64,
        process: u32,
        pid: u32,
    },
    Bypass {
        time: f64,
        process: u32,
        pid: u32,
        library: Cow<'trace, str>,
    },
    Untraced {
        time: f64,
        #[serde(flatten)]
        untraced: &'trace Untraced,
    },
    End(End<'trace>),
}

#[derive(Debug, Serialize)]
pub struct Trace<'trace> {
    schema: u32,
    version: &'static str,
    command: Vec<String>,
    driver: Option<Cow<'trace, str>>,
    only: Option<String>,
    forbid: Option<&'static str>,
    deny: bool,
    allow_untraced: bool,
    stack: &'static str,
}

impl<'trace> Trace<'trace> {
    pub fn new(options: &Options, driver: Option<&'trace Path>) -> Self {
        Self {
            schema: super::SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            command: options.command.iter().map(|word| word.to_string_lossy().into()).collect(),
            driver: driver.map(Path::to_string_lossy),
            only: options.only.as_ref().map(ToString::to_string),
            forbid: options.forbid.map(Forbid::name),
            deny: options.deny,
            allow_untraced: options.allow_untraced,
            stack: options.stack.name(),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Process<'trace> {
    time: f64,
    process: u32,
    pid: u32,
    parent: u32,
    forked_from: Option<u32>,
    command: &'trace [String],
    executable: Cow<'trace, str>,
    python: Option<String>,
    rank: Option<Rank<'trace>>,
    cuda_visible_devices: Option<&'trace str>,
}

#[derive(Debug, Serialize)]
struct Rank<'trace> {
    variable: &'trace str,
    value: &'trace str,
}

#[derive(Debug, Serialize)]
pub struct Device {
    time: f64,
    process: u32,
    pid: u32,
    handle: i32,
    device: Option<u32>,
    uuid: Option<String>,
    count: Option<u32>,
    allowed: Option<bool>,
}

#[derive(Debug, Serialize)]
pub struct CallLine<'trace> {
    time: f64,
    process: u32,
    pid: u32,
    tid: u32,
    thread: Option<&'trace str>,
    function: &'static str,
    /// Where it is about one: its handle, and its ordinal if that is known.
    handle: Option<i32>,
    device: Option<u32>,
    result: Option<u32>,
    result_name: Option<&'static str>,
    seconds: f64,
    context: Option<String>,
    kind: Option<&'static str>,
    created: bool,
    ended: bool,
    denied: bool,
    stray: bool,
    after_exit: bool,
    library: String,
    library_path: Option<Cow<'trace, str>>,
    reference_of: Option<String>,
    uncounted: bool,
    references: u32,
    visible_devices_changed: bool,
    python: &'trace [crate::record::PythonLine],
    python_complete: bool,
    native: Vec<Native>,
}

#[derive(Debug, Serialize)]
struct Native {
    library: Option<String>,
    address: u64,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

impl From<NativeLine> for Native {
    fn from(line: NativeLine) -> Self {
        let stack::NativeLine { library, address, place } = line;
        let crate::symbols::Place { function, file, line } = place;
        let library = library.map(|path| path.to_string_lossy().into_owned());
        Self { library, address, function, file, line }
    }
}

impl<'trace> Line<'trace> {
    /// `None` for what is no event of its own.
    pub fn of(record: &'trace Record, model: &'trace Model, symbols: &mut Symbols) -> Option<Self> {
        let Record { process: number, pid, tid, .. } = *record;
        let time = record.time.as_secs_f64();
        let process = model.process(number)?;
        Some(match &record.event {
            Event::Module(_) => return None,
            Event::Process(about) => Self::Process(Process {
                time,
                process: number,
                pid,
                parent: about.parent,
                forked_from: about.forked_from,
                command: &about.arguments,
                executable: about.executable.to_string_lossy(),
                python: about.python.map(|(major, minor)| format!("{major}.{minor}")),
                rank: process.rank().map(|(variable, value)| Rank { variable, value }),
                cuda_visible_devices: process.variable("CUDA_VISIBLE_DEVICES"),
            }),
            Event::Device(about) => Self::Device(Device {
                time,
                process: number,
                pid,
                handle: about.handle,
                device: about.ordinal,
                uuid: process.device_of(about.handle).and_then(model::Device::uuid),
                count: about.count,
                allowed: about.allowed,
            }),
            Event::Call(call) => {
                let device = call.device.and_then(|handle| process.device_of(handle));
                let stack = stack::native(call, model.modules(), symbols);
                Self::Call(Box::new(CallLine {
                    time,
                    process: number,
                    pid,
                    tid,
                    ..CallLine::of(call, device, model.modules(), stack)
                }))
            }
            Event::Exit(_) => Self::Exit { time, process: number, pid },
            Event::Bypass(path) => {
                Self::Bypass { time, process: number, pid, library: path.to_string_lossy() }
            }
        })
    }
}

impl<'trace> CallLine<'trace> {
    fn of(
        call: &'trace Call,
        device: Option<&model::Device>,
        modules: &'trace Modules,
        native: Vec<NativeLine>,
    ) -> Self {
        let makes_or_ends = call.created || call.ended;
        let is_stray = |device: &model::Device| device.about.allowed == Some(false);
        Self {
            time: 0.0,
            process: 0,
            pid: 0,
            tid: 0,
            thread: call.thread.as_deref(),
            function: call.function.0,
            handle: call.device,
            device: device.and_then(|device| device.about.ordinal),
            result: call.result,
            result_name: call.result.and_then(|result| CUresult(result).name()),
            seconds: call.took.as_secs_f64(),
            context: (call.context != 0).then(|| format!("{:#x}", call.context)),
            kind: makes_or_ends.then(|| Kind::of(call).name()),
            created: call.created,
            ended: call.ended,
            denied: call.denied,
            stray: call.created && device.is_some_and(is_stray),
            after_exit: call.after_exit,
            library: modules.name(call.caller()),
            library_path: modules.path(call.caller()).map(Path::to_string_lossy),
            reference_of: call.taken_from().map(|module| modules.name(module)),
            uncounted: call.uncounted,
            references: call.references,
            visible_devices_changed: call.visible_changed,
            python: &call.python,
            python_complete: !call.python_failed,
            native: native.into_iter().map(Native::from).collect(),
        }
    }
}
