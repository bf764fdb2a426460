use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use super::JsonLines;
use crate::model::Model;
use crate::record::{
    Address, Call, Change, Device, Event, Function, Holding, Module, Process, PythonLine, Record,
};
use crate::symbols::Symbols;

fn lines(events: Vec<Event>) -> Vec<Value> {
    let mut model = Model::default();
    let mut symbols = Symbols::default();
    let mut bytes = Vec::new();
    let mut json = JsonLines::new(&mut bytes);
    for (index, event) in events.into_iter().enumerate() {
        let time = Duration::from_millis(500 * index as u64);
        let record = Record { process: 40, pid: 4, tid: 5, time, event };
        model.add(&record);
        json.record(&record, &model, &mut symbols).unwrap();
    }
    let status = ExitStatus::from_raw(15); // by SIGTERM
    json.end(Duration::from_secs(9), status, &model, 2, &[(6, "sleep 9".to_owned())]).unwrap();
    drop(json);
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_event_is_a_line_with_the_fields_of_the_schema() {
    let lines = lines(vec![
        Event::Module(Module { id: 1, path: "/lib/libcudart.so.13".into(), file: None }),
        Event::Process(Process {
            arguments: vec!["python3".to_owned()],
            python: Some((3, 13)),
            variables: vec![("LOCAL_RANK".to_owned(), "2".to_owned())],
            ..Process::default()
        }),
        Event::Device(Device {
            handle: 100,
            ordinal: Some(0),
            uuid: None,
            count: None,
            allowed: Some(false),
        }),
        Event::Call(Call {
            function: Function("cuDevicePrimaryCtxRetain"),
            device: Some(100),
            context: 0xff,
            result: Some(0),
            took: Duration::from_millis(250),
            created: true,
            uncounted: true,
            references: 1,
            native: vec![Address { module: 1, address: 64 }],
            python: vec![PythonLine {
                file: "stray.py".to_owned(),
                function: "helper".to_owned(),
                line: Some(3),
            }],
            reference: Some(Change { module: 1, holding: Holding::Reference, count: 1, number: 1 }),
            ..Call::default()
        }),
        Event::Exit(Vec::new()),
    ]);
    let kinds: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["process", "device", "call", "exit", "end"]);
    let [process, device, call, _, end] = &*lines else { unreachable!() };
    assert_eq!(process["rank"]["variable"], "LOCAL_RANK");
    assert_eq!(process["python"], "3.13");
    assert_eq!((&device["handle"], &device["device"]), (&100.into(), &0.into()));
    assert_eq!(device["meant"], false);
    assert_eq!(call["time"], 1.5);
    assert_eq!(call["seconds"], 0.25);
    assert_eq!(call["library"], "libcudart.so.13");
    assert_eq!(call["answer_name"], "CUDA_SUCCESS");
    assert_eq!((&call["created"], &call["stray"]), (&true.into(), &true.into()));
    assert_eq!(call["uncounted"], true);
    assert_eq!(call["kind"], "primary");
    assert_eq!(call["context"], "0xff");
    assert_eq!(call["python"][0]["function"], "helper");
    assert_eq!(call["native"][0]["address"], 64);
    assert_eq!((&end["signal"], &end["lost"]), (&15.into(), &2.into()));
    assert_eq!(end["status"], Value::Null);
    assert_eq!(end["still_running"][0], 6);
    assert_eq!(end["devices"][0]["holders"][0]["library"], "libcudart.so.13");
    assert_eq!(end["strays"], 1);
}
