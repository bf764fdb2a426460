use std::path::PathBuf;
use std::time::Duration;

use super::{Device, End, Model};
use crate::record::{self, Address, Call, Event, Function, Module, Process, Record};

const RUNTIME: u32 = 1;
const BLAS: u32 = 2;
const PID: u32 = 40;

/// A model with two libraries and one process, and a clock that ticks with each record.
struct Story {
    model: Model,
    clock: Duration,
    pid: u32,
}

impl Story {
    fn begin() -> Self {
        let mut story = Self { model: Model::default(), clock: Duration::ZERO, pid: PID };
        for (id, path) in [(RUNTIME, "/lib/libcudart.so.13"), (BLAS, "/lib/libcublas.so.13")] {
            story.add(Event::Module(Module { id, path: path.into() }));
        }
        story.start(PID, &[("LOCAL_RANK", "1")]);
        story
    }

    fn add(&mut self, event: Event) {
        self.clock += Duration::from_millis(1);
        self.model.add(&Record { pid: self.pid, tid: 7, time: self.clock, event });
    }

    fn start(&mut self, pid: u32, variables: &[(&str, &str)]) {
        self.pid = pid;
        let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        self.add(Event::Process(Process {
            arguments: vec!["python3".to_owned(), "stray.py".to_owned()],
            variables: variables.iter().map(pair).collect(),
            ..Process::default()
        }));
    }

    fn device(&mut self, handle: i32, meant: Option<bool>) {
        let about = record::Device { handle, ordinal: Some(0), uuid: Some([0xab; 16]), meant };
        self.add(Event::Device(about));
    }

    fn call(&mut self, by: u32, function: &'static str, change: impl FnOnce(&mut Call)) {
        let mut call = Call {
            function: Function(function),
            device: Some(100),
            answer: Some(0),
            device_references: 1,
            native: vec![Address { module: by, address: 16 }],
            ..Call::default()
        };
        change(&mut call);
        self.add(Event::Call(call));
    }

    fn retain(&mut self, by: u32, created: bool) {
        self.call(by, "cuDevicePrimaryCtxRetain", |call| call.created = created);
    }

    fn release(&mut self, by: u32, from: u32, left: i32) {
        self.call(by, "cuDevicePrimaryCtxRelease_v2", |call| {
            call.taken_from = from;
            call.device_references = left;
            call.ended = left == 0;
        });
    }

    fn touched(&self) -> &Device {
        self.model.process(PID).unwrap().devices().next().unwrap()
    }

    fn held(&self) -> Vec<(&str, u64)> {
        self.touched().held().collect()
    }
}

#[test]
fn references_are_counted_library_by_library() {
    let mut story = Story::begin();
    story.device(100, None);
    story.retain(RUNTIME, true);
    story.retain(BLAS, false);
    story.retain(BLAS, false);
    assert_eq!(story.held(), [("libcudart.so.13", 1), ("libcublas.so.13", 2)]);
    story.release(BLAS, BLAS, 2);
    assert_eq!(story.held(), [("libcudart.so.13", 1), ("libcublas.so.13", 1)]);
    let holder = &story.touched().holders[1];
    assert_eq!((holder.retained, holder.released), (2, 1));
    assert_eq!(story.touched().creations.total(), 1);
    assert!(story.touched().takings.is_empty());
}

#[test]
fn who_took_whose_is_told() {
    let mut story = Story::begin();
    story.retain(RUNTIME, true);
    story.retain(RUNTIME, false);
    story.release(BLAS, RUNTIME, 1);
    story.release(BLAS, RUNTIME, 0);
    assert!(story.held().is_empty());
    let [taking] = &*story.touched().takings else { panic!("{:?}", story.touched().takings) };
    assert_eq!((&*taking.by, &*taking.from), ("libcublas.so.13", "libcudart.so.13"));
    assert_eq!(taking.count, 2);
    assert_eq!(story.touched().holders[0].released, 0);
    assert_eq!(story.touched().endings.total(), 1);
}

#[test]
fn a_release_that_answers_800_takes_a_reference_and_one_that_takes_none_takes_none() {
    let mut story = Story::begin();
    story.retain(RUNTIME, true);
    story.call(RUNTIME, "cuDevicePrimaryCtxRelease_v2", |call| {
        call.answer = Some(201);
    });
    assert_eq!(story.held(), [("libcudart.so.13", 1)]);
    story.call(RUNTIME, "cuDevicePrimaryCtxRelease_v2", |call| {
        call.answer = Some(800);
        call.taken_from = RUNTIME;
    });
    assert!(story.held().is_empty());
    assert_eq!(story.touched().refusals.total(), 1, "the 800 is none");
    assert_eq!(story.touched().taken_from_green.total(), 1);
    story.call(RUNTIME, "cuDevicePrimaryCtxRelease", |_| {});
    assert_eq!(story.touched().unseen_releases.total(), 0, "it answers 0 where there is none");
    story.call(RUNTIME, "cuDevicePrimaryCtxRelease_v2", |_| {});
    assert_eq!(story.touched().unseen_releases.total(), 1);
}

#[test]
fn a_reset_ends_the_context_and_leaves_the_references() {
    let mut story = Story::begin();
    story.retain(RUNTIME, true);
    story.retain(BLAS, false);
    story.call(BLAS, "cuDevicePrimaryCtxReset_v2", |call| {
        call.ended = true;
        call.device_references = 2;
    });
    assert_eq!(story.held(), [("libcudart.so.13", 1), ("libcublas.so.13", 1)]);
    assert_eq!(story.touched().endings.total(), 1);
    story.call(BLAS, "cuDevicePrimaryCtxReset", |call| call.taken_from = BLAS);
    assert_eq!(story.held(), [("libcudart.so.13", 1)]);
    story.call(BLAS, "cuDevicePrimaryCtxReset", |call| call.taken_from = RUNTIME);
    assert!(story.held().is_empty());
    assert_eq!(story.touched().takings.len(), 1);
}

#[test]
fn the_order_of_the_records_does_not_matter() {
    let mut story = Story::begin();
    story.retain(RUNTIME, true);
    story.release(RUNTIME, RUNTIME, 1);
    story.release(RUNTIME, RUNTIME, 0);
    story.retain(RUNTIME, false);
    assert!(story.held().is_empty());
    story.retain(RUNTIME, true);
    assert_eq!(story.held(), [("libcudart.so.13", 1)]);
    story.release(BLAS, BLAS, 0);
    story.retain(BLAS, false);
    story.retain(BLAS, false);
    assert_eq!(story.held(), [("libcudart.so.13", 1), ("libcublas.so.13", 1)]);
}

/// A green context whose reference a release took gives back what its library retains then.
#[test]
fn the_end_of_a_green_context_may_take_what_was_retained() {
    let mut story = Story::begin();
    let green = |story: &mut Story, function, left| {
        story.call(BLAS, function, |call| {
            (call.context, call.device_references) = (0x20, left);
        });
    };
    let take = |story: &mut Story| {
        story.call(BLAS, "cuDevicePrimaryCtxRelease_v2", |call| {
            (call.answer, call.taken_from, call.device_references) = (Some(800), BLAS, 0);
        });
    };
    for _ in 0..2 {
        green(&mut story, "cuGreenCtxCreate", 1);
        take(&mut story);
        assert!(story.held().is_empty());
        story.retain(BLAS, false);
        assert_eq!(story.held(), [("libcublas.so.13", 1)]);
        green(&mut story, "cuGreenCtxDestroy", 0);
        assert!(story.held().is_empty());
    }
    assert_eq!(story.touched().refusals.total(), 0);
}

#[test]
fn initialisations_that_were_refused_are_kept_apart() {
    let mut story = Story::begin();
    for answer in [Some(100), Some(0), Some(0), None] {
        story.call(RUNTIME, "cuInit", |call| call.answer = answer);
    }
    let inits = &story.model.process(PID).unwrap().inits;
    let totals = [&inits.successful, &inits.refused, &inits.unfinished].map(super::Notes::total);
    assert_eq!(totals, [2, 1, 1]);
}

#[test]
fn a_refused_release_takes_nothing_from_code_in_no_file() {
    let mut story = Story::begin();
    story.retain(0, true);
    story.call(BLAS, "cuDevicePrimaryCtxRelease_v2", |call| call.answer = Some(201));
    assert_eq!(story.held(), [("code in no file", 1)]);
    assert!(story.touched().takings.is_empty());
    story.release(BLAS, 0, 0);
    assert!(story.held().is_empty());
}

#[test]
fn other_contexts_belong_to_who_made_them_and_are_known_by_their_handles() {
    let mut story = Story::begin();
    for (function, context) in [("cuCtxCreate_v4", 0x10), ("cuGreenCtxCreate", 0x20)] {
        story.call(BLAS, function, |call| {
            call.created = true;
            call.context = context;
        });
    }
    let kinds = |story: &Story| -> Vec<&str> {
        story.touched().contexts.iter().map(|context| context.kind.name()).collect()
    };
    assert_eq!(kinds(&story), ["ordinary", "green"]);
    story.call(RUNTIME, "cuCtxDestroy_v2", |call| {
        call.context = 0x10;
        call.device = None;
        call.ended = true;
    });
    assert_eq!(kinds(&story), ["green"]);
    story.call(RUNTIME, "cuCtxDestroy_v2", |call| {
        call.context = 0x99;
        call.device = None;
        call.answer = Some(201);
    });
    assert_eq!(story.model.process(PID).unwrap().elsewhere.total(), 1);
}

#[test]
fn a_stray_is_a_context_or_a_refused_one_on_a_device_that_is_not_meant() {
    for (meant, created, denied, stray) in [
        (Some(false), true, false, true),
        (Some(false), false, true, true),
        (Some(false), false, false, false),
        (Some(true), true, false, false),
        (None, true, false, false),
    ] {
        let mut story = Story::begin();
        story.device(100, meant);
        story.call(RUNTIME, "cuDevicePrimaryCtxRetain", |call| {
            call.created = created;
            call.denied = denied;
            call.answer = Some(if created { 0 } else { 800 });
        });
        let case = (meant, created, denied);
        assert_eq!(story.touched().is_stray(), stray, "{case:?}");
        assert_eq!(story.model.strays().count(), usize::from(stray), "{case:?}");
    }
}

#[test]
fn an_exec_begins_anew_and_a_forked_child_is_another_process() {
    let mut story = Story::begin();
    story.retain(RUNTIME, true);
    story.start(PID, &[]);
    assert!(!story.model.process(PID).unwrap().did_anything());
    assert!(matches!(story.model.processes()[0].end, Some(End::Replaced(_))));
    assert_eq!(story.model.processes()[0].devices().count(), 1);
    story.start(41, &[]);
    story.add(Event::Exit);
    assert!(matches!(story.model.process(41).unwrap().end, Some(End::Exit(_))));
    assert_eq!(story.model.process(PID).unwrap().end, None);
}

#[test]
fn an_id_that_is_used_again_is_no_exec() {
    let mut story = Story::begin();
    for start in [100, 200] {
        story.pid = 60;
        story.add(Event::Process(Process { start, ..Process::default() }));
    }
    let ends: Vec<_> = story.model.processes()[1..].iter().map(|process| process.end).collect();
    assert_eq!(ends, [None, None]);
}

#[test]
fn two_libraries_of_one_name_are_two_holders() {
    const OTHER: u32 = 3;
    let mut story = Story::begin();
    story.add(Event::Module(Module { id: OTHER, path: "/opt/libcudart.so.13".into() }));
    story.retain(RUNTIME, true);
    story.retain(OTHER, false);
    assert_eq!(story.held(), [("libcudart.so.13", 1), ("libcudart.so.13", 1)]);
    story.release(OTHER, RUNTIME, 1);
    assert_eq!(story.held(), [("libcudart.so.13", 1)]);
    assert_eq!(story.touched().takings.len(), 1);
    assert_eq!(story.touched().holders[1].references, 1);
}

#[test]
fn a_call_of_a_process_that_nobody_announced_is_kept() {
    let mut story = Story::begin();
    story.pid = 50;
    story.retain(RUNTIME, true);
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
        story.retain(RUNTIME, true);
        story.release(RUNTIME, RUNTIME, 0);
    }
    let creations = &story.touched().creations;
    assert_eq!((creations.total(), creations.first().len()), (1000, 8));
    assert!(creations.last().unwrap() > creations.first()[7].time);
    assert!(story.held().is_empty());
}

#[test]
fn names_of_devices() {
    let mut story = Story::begin();
    story.device(100, None);
    let uuid = "GPU-abababab-abab-abab-abab-abababababab";
    assert_eq!(story.touched().name(), format!("device 0 ({uuid})"));
    let mut unknown = Story::begin();
    unknown.retain(RUNTIME, true);
    assert_eq!(unknown.touched().name(), "device with the handle 100");
}
