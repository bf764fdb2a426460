//! Each kind of line, whole.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use super::JsonLines;
use crate::model::Model;
use crate::only::Only;
use crate::options::{Forbid, Options};
use crate::record::{
    Address, Call, Change, Device, Event, Function, Holding, Module, Process, PythonLine, Record,
};
use crate::report::Surroundings;
use crate::symbols::Symbols;
use crate::untraced::{Reason, Untraced};
use crate::verdict::Verdict;

fn events() -> Vec<Event> {
    let change = |module, holding| Some(Change { module, holding, count: 1, number: 1 });
    let call = Call {
        function: Function("cuDevicePrimaryCtxRetain"),
        device: Some(100),
        context: 0xff,
        result: Some(0),
        took: Duration::from_millis(250),
        created: true,
        uncounted: true,
        references: 1,
        reference: change(1, Holding::Reference),
        thread: Some("helper".to_owned()),
        native: vec![Address { module: 1, address: 64 }],
        python: vec![PythonLine {
            file: "stray.py".to_owned(),
            function: "helper".to_owned(),
            line: Some(3),
        }],
        ..Call::default()
    };
    let other = Call {
        function: Function("cuCtxCreate_v4"),
        reference: None,
        other: change(0, Holding::OrdinaryContext),
        native: vec![],
        python: vec![],
        ..call.clone()
    };
    let release = Call {
        function: Function("cuDevicePrimaryCtxRelease_v2"),
        created: false,
        reference: Some(Change { module: 1, holding: Holding::Reference, count: 0, number: 2 }),
        native: vec![Address { module: 2, address: 8 }],
        ..other.clone()
    };
    let unfinished = Call { function: Function("cuInit"), result: None, ..Call::default() };
    let path = |name: &str| format!("/nowhere/{name}").into();
    vec![
        Event::Module(Module { id: 1, path: path("libcudart.so.13"), file: None }),
        Event::Module(Module { id: 2, path: path("libcublas.so.13"), file: None }),
        Event::Process(Process {
            parent: 3,
            forked_from: Some(1),
            arguments: vec!["python3".to_owned(), "a\x1bb".to_owned()],
            executable: path("python3"),
            python: Some((3, 13)),
            variables: [("LOCAL_RANK", "2"), ("CUDA_VISIBLE_DEVICES", "0,1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Process::default()
        }),
        Event::Device(Device {
            handle: 100,
            ordinal: Some(0),
            count: Some(2),
            named: 0,
            uuid: Some([7; 16]),
            allowed: Some(false),
        }),
        Event::Call(call),
        Event::Call(other),
        Event::Call(release),
        Event::Call(unfinished),
        Event::Bypass(path("libcuda.so.1")),
        Event::Exit(vec![]),
    ]
}

fn options() -> Options {
    Options {
        only: Some(Only::LocalRank),
        forbid: Some(Forbid::Held),
        allow_untraced: true,
        command: vec!["python3".into()],
        ..Options::default()
    }
}

fn lines() -> String {
    let (mut model, mut symbols, mut bytes) = (Model::default(), Symbols::default(), Vec::new());
    let mut json = JsonLines::new(&mut bytes);
    json.begin(&options(), Some("/nowhere/libcuda.so.1".as_ref())).unwrap();
    for (index, event) in events().into_iter().enumerate() {
        let time = Duration::from_millis(500 * index as u64);
        let record = Record { process: 2, pid: 4, tid: 5, time, event };
        model.add(&record);
        json.record(&record, &model, &mut symbols).unwrap();
    }
    let untraced = Untraced {
        pid: 6,
        command: "sleep 9".to_owned(),
        library: "/nowhere/libcuda.so.1".into(),
        reason: Reason::EnvironmentCleared,
    };
    json.untraced(Duration::from_secs(8), &untraced).unwrap();
    let about = Surroundings {
        lost: 2,
        living: vec![(6, "sleep 9".to_owned())],
        only: Some(Only::LocalRank),
        verdict: Verdict::NotJudged(vec!["2 events were lost.".to_owned()]),
        ..Surroundings::default()
    };
    let killed = ExitStatus::from_raw(libc::SIGTERM);
    json.end(Duration::from_secs(9), killed, &model, &about).unwrap();
    drop(json);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn each_kind_of_line_has_the_fields_of_the_schema() {
    let read = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let expected = include_str!("tests/events.jsonl").replace("VERSION", env!("CARGO_PKG_VERSION"));
    let found = lines();
    assert!(!found.contains('\x1b'), "{found}");
    for (found, expected) in read(&found).iter().zip(read(&expected)) {
        assert_eq!(*found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}
