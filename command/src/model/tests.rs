use std::path::PathBuf;
use std::time::Duration;

use super::{Device, End, Model};
use crate::record::{
    self, Address, Call, Change, Event, Function, Holding, Module, Process, Record, Thread,
};

const RUNTIME: u32 = 1;
const BLAS: u32 = 2;
const PID: u32 = 40;

/// A model with two libraries and one process, and a clock that ticks with each record.
struct Story {
    model: Model,
    clock: Duration,
    number: u32,
    changes: u32,
}

fn module(id: u32, path: &str) -> Event {
    Event::Module(Module { id, path: path.into(), file: None })
}

impl Story {
    fn begin() -> Self {
        let (model, clock) = (Model::default(), Duration::ZERO);
        let mut story = Self { model, clock, number: PID, changes: 0 };
        for (id, path) in [(RUNTIME, "/lib/libcudart.so.13"), (BLAS, "/lib/libcublas.so.13")] {
            story.add(module(id, path));
        }
        story.start(PID, &[("LOCAL_RANK", "1")]);
        story
    }

    fn add(&mut self, event: Event) {
        self.clock += Duration::from_millis(1);
        let (process, time) = (self.number, self.clock);
        self.model.add(&Record { process, pid: PID, tid: 7, time, event });
    }

    fn start(&mut self, number: u32, variables: &[(&str, &str)]) {
        self.number = number;
        let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        self.add(Event::Process(Process {
            arguments: vec!["python3".to_owned(), "stray.py".to_owned()],
            variables: variables.iter().map(pair).collect(),
            ..Process::default()
        }));
    }

    fn device(&mut self, handle: i32, allowed: Option<bool>) {
        let (ordinal, count) = (Some(0), Some(1));
        let uuid = Some([0xab; 16]);
        let about = record::Device { handle, ordinal, count, named: 0, uuid, allowed };
        self.add(Event::Device(about));
    }

    fn call(&mut self, by: u32, function: &'static str, change: impl FnOnce(&mut Call)) {
        let mut call = Call {
            function: Function(function),
            device: Some(100),
            result: Some(0),
            native: vec![Address { module: by, address: 16 }],
            ..Call::default()
        };
        change(&mut call);
        self.add(Event::Call(call));
    }

    /// What a library holds now.
    fn now(&mut self, module: u32, holding: Holding, count: u32) -> Option<Change> {
        self.changes += 1;
        Some(Change { module, holding, count, number: self.changes })
    }

    fn retain(&mut self, by: u32, count: u32) {
        let reference = self.now(by, Holding::Reference, count);
        self.call(by, "cuDevicePrimaryCtxRetain", |call| call.reference = reference);
    }

    fn release(&mut self, by: u32, from: u32, left: u32) {
        let reference = self.now(from, Holding::Reference, left);
        self.call(by, "cuDevicePrimaryCtxRelease_v2", |call| call.reference = reference);
    }

    fn used(&self) -> &Device {
        self.model.process(PID).unwrap().devices().next().unwrap()
    }

    fn held(&self) -> Vec<(&str, u64)> {
        self.used().held().map(|holder| (&*holder.library, holder.count())).collect()
    }
}

#[test]
fn the_order_of_the_records_does_not_matter() {
    let mut story = Story::begin();
    let first = story.now(BLAS, Holding::Reference, 1);
    let second = story.now(BLAS, Holding::Reference, 0);
    story.call(BLAS, "cuDevicePrimaryCtxRelease_v2", |call| call.reference = second);
    story.call(BLAS, "cuDevicePrimaryCtxRetain", |call| call.reference = first);
    assert!(story.held().is_empty());
    let holder = &story.used().holders[0];
    assert_eq!((holder.acquired, holder.released), (1, 1));
    assert_eq!(holder.first.call.function.0, "cuDevicePrimaryCtxRetain");
}

#[test]
fn who_took_whose_is_reported() {
    let mut story = Story::begin();
    story.retain(RUNTIME, 2);
    story.release(BLAS, RUNTIME, 1);
    let taken = story.now(RUNTIME, Holding::Reference, 0);
    story.call(BLAS, "cuDevicePrimaryCtxReset", |call| call.reference = taken);
    assert!(story.held().is_empty());
    let [taking] = &*story.used().takings else { panic!("{:?}", story.used().takings) };
    assert_eq!((&*taking.by, &*taking.from), ("libcublas.so.13", "libcudart.so.13"));
    assert_eq!(taking.count, 2);
    assert_eq!(story.used().holders[0].released, 0);
}

#[test]
fn a_release_that_returns_800_takes_a_reference_and_one_that_takes_none_takes_none() {
    let mut story = Story::begin();
    story.call(RUNTIME, "cuDevicePrimaryCtxRelease_v2", |call| call.result = Some(201));
    assert_eq!(story.used().refusals.total(), 1);
    let taken = story.now(RUNTIME, Holding::GreenReference, 0);
    story.call(RUNTIME, "cuDevicePrimaryCtxRelease_v2", |call| {
        (call.result, call.reference) = (Some(800), taken);
    });
    assert_eq!(story.used().refusals.total(), 1, "the 800 is none");
    assert_eq!(story.used().taken_from_green.total(), 1);
    story.call(RUNTIME, "cuDevicePrimaryCtxRelease", |_| {});
    assert_eq!(story.used().unseen_releases.total(), 0, "it returns 0 if there is none");
    story.call(RUNTIME, "cuDevicePrimaryCtxRelease_v2", |_| {});
    assert_eq!(story.used().unseen_releases.total(), 1);
    assert!(story.used().holders.is_empty() && story.used().takings.is_empty());
}

#[test]
fn contexts_belong_to_who_made_them() {
    let mut story = Story::begin();
    let ordinary = story.now(BLAS, Holding::OrdinaryContext, 1);
    story.call(BLAS, "cuCtxCreate_v4", |call| call.other = ordinary);
    let green = story.now(BLAS, Holding::GreenContext, 1);
    story.call(BLAS, "cuGreenCtxCreate", |call| call.other = green);
    let kinds = |story: &Story| -> Vec<Holding> {
        story.used().held().map(|holder| holder.holding).collect()
    };
    assert_eq!(kinds(&story), [Holding::OrdinaryContext, Holding::GreenContext]);
    let ordinary = story.now(BLAS, Holding::OrdinaryContext, 0);
    story.call(RUNTIME, "cuCtxDestroy_v2", |call| call.other = ordinary);
    assert_eq!(kinds(&story), [Holding::GreenContext]);
    story.call(RUNTIME, "cuCtxDestroy_v2", |call| {
        (call.device, call.result) = (None, Some(201));
    });
    assert_eq!(story.model.process(PID).unwrap().elsewhere.total(), 1);
}

#[test]
fn a_thread_lives_if_it_does_when_the_process_exits() {
    let mut story = Story::begin();
    story.call(RUNTIME, "cuDevicePrimaryCtxRetain", |call| {
        (call.created, call.thread) = (true, Some("loader".to_owned()));
    });
    let thread = |story: &Story| story.model.process(PID).unwrap().thread(7).cloned().unwrap();
    assert_eq!((thread(&story).name.as_deref(), thread(&story).lives), (Some("loader"), None));
    story.add(Event::Exit(vec![Thread { tid: 7, name: "watchdog".to_owned() }]));
    assert_eq!(thread(&story).lives, Some(true));
    assert_eq!(thread(&story).name.as_deref(), Some("watchdog"));
    story.add(Event::Exit(Vec::new()));
    assert_eq!(thread(&story).lives, Some(false));
}

#[test]
fn an_exec_begins_anew_and_a_forked_child_is_another_process() {
    let mut story = Story::begin();
    story.retain(RUNTIME, 1);
    story.start(41, &[]);
    assert!(!story.model.process(41).unwrap().did_anything());
    assert!(matches!(story.model.processes()[0].end, Some(End::Replaced(_))));
    assert_eq!(story.model.processes()[0].devices().count(), 1);
    story.number = 42;
    story.add(Event::Process(Process { forked_from: Some(41), ..Process::default() }));
    story.add(Event::Exit(Vec::new()));
    assert!(matches!(story.model.process(42).unwrap().end, Some(End::Exit(_))));
    assert_eq!(story.model.process(41).unwrap().end, None);
}

#[test]
fn an_id_that_is_used_again_is_no_exec() {
    let mut story = Story::begin();
    for start in [100, 200] {
        story.number = 60 + start as u32;
        story.add(Event::Process(Process { start, ..Process::default() }));
    }
    let ends: Vec<_> = story.model.processes()[1..].iter().map(|process| process.end).collect();
    assert_eq!(ends, [None, None]);
}

#[test]
fn two_libraries_of_one_name_are_two_holders() {
    const OTHER: u32 = 3;
    let mut story = Story::begin();
    story.add(module(OTHER, "/opt/libcudart.so.13"));
    story.retain(RUNTIME, 1);
    story.retain(OTHER, 1);
    assert_eq!(story.held(), [("libcudart.so.13", 1), ("libcudart.so.13", 1)]);
    story.release(OTHER, RUNTIME, 0);
    assert_eq!(story.held(), [("libcudart.so.13", 1)]);
    assert_eq!(story.used().takings.len(), 1);
    assert_eq!(story.used().holders[1].count(), 1);
}

#[test]
fn a_call_of_a_process_without_a_record_is_kept() {
    let mut story = Story::begin();
    story.number = 50;
    story.retain(RUNTIME, 1);
    story.add(Event::Bypass(PathBuf::from("/opt/libcuda.so.1")));
    let process = story.model.process(50).unwrap();
    assert_eq!(process.devices().count(), 1);
    assert_eq!(process.bypasses.len(), 1);
    assert_eq!(process.command(), "");
}

#[test]
fn the_rank_is_the_local_one_before_any_other() {
    let mut story = Story::begin();
    assert_eq!(story.model.process(PID).unwrap().rank(), Some(("LOCAL_RANK", "1")));
    story.start(
        42,
        &[("LOCAL_RANK", ""), ("RANK", "9"), ("SLURM_LOCALID", "3"), ("CUDA_VISIBLE_DEVICES", "0")],
    );
    let process = story.model.process(42).unwrap();
    assert_eq!(process.rank(), Some(("SLURM_LOCALID", "3")));
    assert_eq!(process.variable("CUDA_VISIBLE_DEVICES"), Some("0"));
    assert_eq!(process.command(), "python3 stray.py");
}

#[test]
fn of_many_calls_the_first_are_kept_and_all_are_counted() {
    let mut story = Story::begin();
    for _ in 0..1000 {
        let reference = story.now(RUNTIME, Holding::Reference, 1);
        story.call(RUNTIME, "cuDevicePrimaryCtxRetain", |call| {
            (call.created, call.reference) = (true, reference);
        });
        story.release(RUNTIME, RUNTIME, 0);
    }
    let creations = &story.used().creations;
    assert_eq!((creations.total(), creations.first().len()), (1000, 8));
    assert!(creations.last().unwrap() > creations.first()[7].time);
    assert!(story.held().is_empty());
}
