//! Each kind of line, whole.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use crate::only::Only;
use crate::options::{Forbid, Options};
use crate::record::{Change, Device, Event, Holding};
use crate::report::tests::{CUBLAS, CUDART, Run, python, reference};
use crate::untraced::{Reason, Untraced};
use crate::verdict::Verdict;

fn records() -> Run {
    let mut run = Run::new();
    run.process(2, |process| {
        (process.parent, process.forked_from, process.python) = (3, Some(1), Some((3, 13)));
        process.arguments = vec!["python3".to_owned(), "a\x1bb".to_owned()];
        process.executable = "/nowhere/python3".into();
        process.variables = [("LOCAL_RANK", "2"), ("CUDA_VISIBLE_DEVICES", "0,1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    });
    let (ordinal, count, uuid) = (Some(0), Some(2), Some([7; 16]));
    let allowed = Some(false);
    run.add(Event::Device(Device { handle: 100, ordinal, count, named: 0, uuid, allowed }));
    run.call("cuDevicePrimaryCtxRetain", 0, CUDART, |call| {
        (call.device, call.created, call.context) = (Some(100), true, 0xff);
        (call.took, call.references) = (Duration::from_millis(250), 1);
        (call.uncounted, call.thread) = (true, Some("helper".to_owned()));
        call.reference = Some(reference(CUDART, 1));
        call.python = vec![python("stray.py", 3, "helper")];
    });
    run.call("cuCtxCreate_v4", 0, 0, |call| {
        (call.device, call.created) = (Some(100), true);
        let holding = Holding::OrdinaryContext;
        call.other = Some(Change { module: 0, holding, count: 1, number: 1 });
        call.native.clear();
    });
    run.release(100, CUBLAS, CUDART, 0);
    run.call("cuInit", 0, CUDART, |call| call.result = None);
    run.started_thread(100, Some("pool-0"));
    run.add(Event::Bypass("/nowhere/libcuda.so.1".into())).exit(&[]);
    run
}

fn lines() -> Vec<Value> {
    let mut run = records();
    let options = Options {
        only: Some(Only::LocalRank),
        forbid: Some(Forbid::Held),
        allow_untraced: true,
        command: vec!["python3".into()],
        ..Options::default()
    };
    let (command, library) = ("sleep 9".to_owned(), "/nowhere/libcuda.so.1".into());
    let untraced = Untraced { pid: 6, command, library, reason: Reason::EnvironmentCleared };
    (run.about.options.only, run.about.lost) = (Some(Only::LocalRank), 2);
    run.about.living = vec![(6, "sleep 9".to_owned())];
    run.about.verdict = Verdict::NotJudged(vec!["2 events were lost.".to_owned()]);
    let killed = ExitStatus::from_raw(libc::SIGTERM);
    let mut lines = vec![super::trace(&options, Some("/nowhere/libcuda.so.1".as_ref()))];
    lines.append(&mut run.lines);
    lines.push(super::untraced(Duration::from_secs(8), &untraced));
    lines.push(super::end(Duration::from_secs(9), killed, &run.model, &run.about));
    lines
}

#[test]
fn each_kind_of_line_has_the_fields_of_the_schema() {
    let expected = include_str!("tests/events.jsonl").replace("VERSION", env!("CARGO_PKG_VERSION"));
    let found: Vec<String> = lines().iter().map(Value::to_string).collect();
    for line in &found {
        assert!(!line.contains('\x1b'), "{line}");
    }
    let read = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    let expected: Vec<Value> = expected.lines().map(read).collect();
    assert_eq!(found.iter().map(|line| read(line)).collect::<Vec<_>>(), expected, "{found:#?}");
}

#[test]
fn what_is_not_judged_is_null() {
    for (allowed, created, expected) in [
        (None, true, Value::Null),
        (Some(true), true, false.into()),
        (Some(false), true, true.into()),
        (None, false, false.into()),
    ] {
        let mut run = Run::new();
        run.process(1, |_| {}).device(0, allowed).retain(0, CUDART, 1, created);
        assert_eq!(run.lines.last().unwrap()["stray"], expected, "{allowed:?} {created}");
    }
    let mut run = Run::new();
    for (forbid, deny, expected) in [
        (None, false, Value::Null),
        (Some(Forbid::Made), false, "passed".into()),
        (None, true, "passed".into()),
    ] {
        (run.about.options.forbid, run.about.options.deny) = (forbid, deny);
        let end = super::end(Duration::ZERO, ExitStatus::from_raw(0), &run.model, &run.about);
        assert_eq!(end["verdict"], expected);
    }
}
