//! The text of the report, one whole report for each kind.

mod golden;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use super::Surroundings;
use crate::json;
use crate::model::Model;
use crate::record::{
    Address, Call, Change, Device, Event, Function, Holding, Module, Process, PythonLine, Record,
    Thread, ThreadStart,
};
use crate::symbols::Symbols;
use crate::verdict::Verdict;

/// Modules by their numbers.
pub const CUDART: u32 = 1;
pub const CUBLAS: u32 = 2;
const FFI: u32 = 3;
const CTYPES: u32 = 4;

/// The records of some processes. Process `n` has the id 100 + n unless a test changes it.
pub struct Run {
    pub model: Model,
    time: u64,
    process: u32,
    pid: u32,
    tid: u32,
    pub about: Surroundings,
    /// The records as lines of JSON.
    pub lines: Vec<Value>,
}

impl Run {
    pub fn new() -> Self {
        let about = Surroundings {
            status: Some(ExitStatus::from_raw(0)),
            program: Some(101),
            ..Surroundings::default()
        };
        let (model, lines) = (Model::default(), Vec::new());
        let mut run = Self { model, time: 0, process: 0, pid: 100, tid: 0, about, lines };
        let paths = ["/x/libcudart.so.13", "/x/libcublas.so.13", "/x/libffi.so.8", "/x/_ctypes.so"];
        for (id, path) in (1..).zip(paths) {
            run.add(Event::Module(Module { id, path: path.into(), file: None }));
        }
        run
    }

    pub fn add(&mut self, event: Event) -> &mut Self {
        self.time += 1;
        let time = Duration::from_millis(100 * self.time);
        let (process, pid, tid) = (self.process, self.pid, self.tid);
        let record = Record { process, pid, tid, time, event };
        self.model.add(&record);
        self.lines.extend(json::event(&record, &self.model, &mut Symbols::default()));
        self
    }

    /// A process, which the following records are about.
    pub fn process(&mut self, number: u32, change: impl FnOnce(&mut Process)) -> &mut Self {
        let mut process = Process {
            arguments: vec!["python".to_owned(), "train.py".to_owned()],
            host_pid: Some(100 + number),
            start: number.into(),
            ..Process::default()
        };
        change(&mut process);
        self.pid = process.host_pid.unwrap_or(100 + number);
        (self.process, self.tid) = (number, self.pid);
        self.add(Event::Process(process))
    }

    pub fn thread(&mut self, tid: u32) -> &mut Self {
        self.tid = tid;
        self
    }

    pub fn device(&mut self, ordinal: u32, allowed: Option<bool>) -> &mut Self {
        let uuid = Some([ordinal as u8; 16]);
        let handle = ordinal as i32;
        let (ordinal, count) = (Some(ordinal), Some(4));
        self.add(Event::Device(Device { handle, ordinal, count, named: 0, uuid, allowed }))
    }

    pub fn call(
        &mut self,
        function: &'static str,
        result: u32,
        module: u32,
        change: impl FnOnce(&mut Call),
    ) -> &mut Self {
        let mut call = Call {
            function: Function(function),
            result: Some(result),
            native: vec![Address { module, address: 0x40 }],
            ..Call::default()
        };
        change(&mut call);
        self.add(Event::Call(call))
    }

    pub fn init(&mut self, module: u32) -> &mut Self {
        self.call("cuInit", 0, module, |_| {})
    }

    /// A retain after which the library holds so many references; the first one creates the context.
    pub fn retain(&mut self, device: i32, module: u32, count: u32, created: bool) -> &mut Self {
        self.call("cuDevicePrimaryCtxRetain", 0, module, |call| {
            (call.device, call.created) = (Some(device), created);
            call.reference = Some(reference(module, count));
        })
    }

    /// A release of the reference of a library, which holds so many afterwards.
    pub fn release(&mut self, device: i32, module: u32, from: u32, count: u32) -> &mut Self {
        self.call("cuDevicePrimaryCtxRelease_v2", 0, module, |call| {
            call.device = Some(device);
            call.reference = Some(reference(from, count));
        })
    }

    pub fn started_thread(&mut self, device: i32, name: Option<&str>) -> &mut Self {
        self.add(Event::ThreadStart(ThreadStart { device, thread: name.map(str::to_owned) }))
    }

    pub fn exit(&mut self, living: &[(u32, &str)]) -> &mut Self {
        let thread = |&(tid, name): &(u32, &str)| Thread { tid, name: name.to_owned() };
        self.add(Event::Exit(living.iter().map(thread).collect()))
    }

    /// With the verdict of these records.
    pub fn judged(&mut self) -> &mut Self {
        self.about.verdict = Verdict::of(&self.model, &self.about);
        self
    }

    fn text(&self) -> String {
        let text = super::text(&self.model, &mut Symbols::default(), &self.about);
        anstream::adapter::strip_str(&text).to_string()
    }

    /// Compares the whole report.
    #[track_caller]
    pub fn reports(&self, expected: &str) {
        let text = self.text();
        assert!(text == expected, "the report is\n{text}\ninstead of\n{expected}");
    }

    /// Checks that the report has these lines, in this order.
    #[track_caller]
    pub fn says(&self, expected: &[&str]) {
        let text = self.text();
        let mut lines = text.lines();
        for line in expected {
            assert!(lines.any(|found| found == *line), "no {line:?} here in\n{text}");
        }
    }
}

pub fn reference(module: u32, count: u32) -> Change {
    Change { module, holding: Holding::Reference, count, number: 1 }
}

pub fn python(file: &str, line: u32, function: &str) -> PythonLine {
    PythonLine { file: file.to_owned(), function: function.to_owned(), line: Some(line) }
}
