//! What the witness records of the calls of one process, and that the driver's results stay what they are.

use std::fs;

use serde_json::{Value, json};
use simulated_libcuda::{Call, Simulator};

use crate::limit::printed;
use crate::programs::{CLIENT, library};
use crate::traced::{Trace, have_stacks, name, pick, trace, trace_with};

/// What the client prints, and what the driver is asked, without the witness.
fn alone(words: &str) -> (String, Vec<Call>) {
    let mut client = Simulator::builder().devices(3).command(&*CLIENT);
    client.args(words.split_whitespace());
    (printed(&mut client), client.calls().unwrap())
}

#[test]
fn creation_first_reference_and_end() {
    let traced = trace("init retain:1 retain:1 release:1 release:1 release:1");
    assert_eq!(traced.stdout, "release returned 201\n");
    let calls = &traced.events("call")[1..];
    assert_eq!(
        pick(calls, "result references created ended library"),
        json!([
            [0, 1, true, false, "client"],
            [0, 2, false, false, "client"],
            [0, 1, false, false, "client"],
            [0, 0, false, true, "client"],
            [201, 0, false, false, "client"],
        ])
    );
    assert_eq!(have_stacks(calls), [true, false, false, false, false]);
    let device = traced.events("device")[0];
    assert_eq!((&device["device"], &device["handle"]), (&1.into(), &calls[0]["handle"]));
    assert_eq!((&device["count"], device["uuid"].is_string()), (&3.into(), true));
    let process = traced.events("process")[0];
    assert_eq!(process["executable"], CLIENT.to_str().unwrap());
    assert_eq!(process["command"][2], "retain:1");
    let counts = (traced.events("process").len(), traced.events("exit").len());
    assert_eq!((counts, &traced.end()["lost"]), ((1, 1), &0.into()));
}

/// Frame by frame, but the innermost two, which are the functions that retain.
#[test]
fn stacks_are_those_of_libc() {
    for place in ["deep", "callback", "array", "signal", "coroutine"] {
        let traced = trace_with(&["--stack", "all"], &format!("init compare:{place}"));
        let expected = traced.stdout.lines().filter_map(|line| {
            let (module, address) = line.strip_prefix("frame ")?.rsplit_once(' ')?;
            Some((name(module), u64::from_str_radix(address, 16).unwrap()))
        });
        let native = traced.retains()[0]["native"].as_array().unwrap().iter();
        let recorded = native.map(|line| {
            let library = line["library"].as_str().unwrap_or_default();
            (name(library), line["address"].as_u64().unwrap())
        });
        let (mut expected, mut recorded): (Vec<_>, Vec<_>) =
            (expected.collect(), recorded.collect());
        assert!(!expected.is_empty(), "{place}");
        // A function that was inlined has a line of its own, with its caller's address.
        let mut rest = recorded.iter();
        assert!(expected.iter().all(|frame| rest.any(|other| other == frame)), "{place}");
        expected.dedup();
        recorded.dedup();
        assert_eq!(expected, recorded[2..][..expected.len()], "{place}");
    }
}

#[test]
fn a_call_by_code_in_no_file() {
    let traced = trace_with(&["--stack", "all"], "init retain:0 generated");
    assert_eq!(traced.stdout, "");
    let retain = traced.retains()[1];
    assert_eq!((&retain["library_path"], &retain["references"]), (&Value::Null, &2.into()));
    let holder = &traced.end()["devices"][0]["holders"][1];
    assert_eq!((&holder["library"], &holder["references"]), (&retain["library"], &1.into()));
}

/// Two libraries call in turn, the second at the place of the first. `callers` call the driver, and the two
/// libraries are in this frame.
#[track_caller]
fn take_one_place(first: &str, libraries: [String; 2], callers: [&str; 2], frame: usize) {
    let [a, b] = &libraries;
    let words = format!("{first} by:{a} retain:0 unload:{a} by:{b} retain:0");
    let traced = trace_with(&["--stack", "all"], &words);
    assert_eq!(pick(&traced.retains(), "library"), json!([[callers[0]], [callers[1]]]));
    let frames = traced.retains().into_iter().map(|call| call["native"][frame]["library"].clone());
    assert_eq!(frames.collect::<Vec<_>>(), libraries);
}

#[test]
fn a_library_at_the_place_of_an_unloaded_one_is_another() {
    let libraries = ["a.so", "b.so"].map(|name| library(name, &[]).display().to_string());
    take_one_place("init", libraries, ["a.so", "b.so"], 0);
}

/// The same, one frame further out: the caller is another library both times.
#[test]
fn a_library_at_the_place_of_an_unloaded_one_is_another_behind_a_common_helper() {
    let helper = library("helper.so", &["-DHELPER"]).display().to_string();
    let libraries = ["x.so", "y.so"].map(|name| {
        library(name, &["-DHELPED", "-Wl,--no-as-needed", &helper]).display().to_string()
    });
    take_one_place(&format!("open:{helper} init"), libraries, ["helper.so", "helper.so"], 1);
}

#[test]
fn ordinary_contexts() {
    let traced = trace("init create:1 create3:1 destroy destroy create4:0 destroy");
    for function in ["cuCtxCreate_v2", "cuCtxCreate_v3", "cuCtxCreate_v4"] {
        let call = traced.calls(function);
        assert_eq!(pick(&call, "created references"), json!([[true, 0]]), "{function}");
        assert_eq!(have_stacks(&call), [true], "{function}");
    }
    // The second destruction is of a context that is gone: refused, and nothing is counted.
    let destroyed = traced.calls("cuCtxDestroy_v2");
    assert_eq!(pick(&destroyed, "ended"), json!([[true], [false], [true]]));
    let devices = traced.end()["devices"].as_array().unwrap();
    let contexts: Vec<_> = devices.iter().map(|device| &device["contexts"]).collect();
    assert_eq!(*contexts[0], json!([]), "the table finds what comes after a deletion");
    assert_eq!(contexts[1][0]["count"], 1, "the first one of device 1: {contexts:?}");
}

/// A context lives on if the driver refuses to destroy it.
#[test]
fn a_destruction_that_fails_forgets_nothing() {
    for (make, destroy, function) in
        [("create", "destroy", "cuCtxDestroy_v2"), ("green", "green-destroy", "cuGreenCtxDestroy")]
    {
        let run = |words: &str| {
            let mut trace = Trace::new(&[]);
            trace.command.env("SIMULATED_CUDA_FAULT", format!("{function}:1:999:refused:once"));
            trace.client(words).run()
        };
        let once = run(&format!("init {make}:0 {destroy}"));
        assert_eq!(once.stdout, format!("{destroy} returned 999\n"));
        assert_eq!(once.end()["devices"][0]["contexts"][0]["count"], 1, "{function}");
        let twice = run(&format!("init {make}:0 {destroy} {destroy}"));
        assert_eq!(pick(&twice.calls(function), "ended"), json!([[false], [true]]));
        assert_eq!(twice.end()["devices"][0]["contexts"], json!([]), "{function}");
    }
}

#[test]
fn what_the_driver_refuses_is_recorded_with_its_code() {
    let traced = trace("retain:0 init retain:7");
    assert_eq!(traced.stdout, "retain returned 3\nretain returned 101\n");
    let retains = pick(&traced.retains(), "result created references");
    assert_eq!(retains, json!([[3, false, 0], [101, false, 0]]));
}

#[test]
fn the_program_can_ask_who_holds_a_device() {
    let words = "init holders:0 retain:0 retain:0 green:0 create:0 holders:0 reset:0 holders:0";
    let expected = "holders 0\nholders 1\n  client 2 1 1\nholders 1\n  client 2 1 1\n";
    assert_eq!(trace(words).stdout, expected);
    let alone = alone("init holders:0").0;
    assert_eq!(alone, "holders -1\n", "without the witness there is no such symbol");
}

/// It is called in the same order by the same threads. The witness's own calls come once a device.
#[test]
fn the_driver_sees_no_difference() {
    let words = "init retain:0 retain:0 release:0 release1:0 release:0 create:1 destroy create3:1 destroy \
                 create4:1 destroy retain:1 reset:1 green:0 green-destroy destroy";
    let (printed, calls) = alone(words);
    let call = |call: &Call| json!([call.function, call.device.map_or(-1, i64::from), call.code]);
    let mut without: Vec<Value> = calls.iter().map(call).collect();
    assert!(without.len() > 25);
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut trace = Trace::new(&[]);
    trace.command.env("SIMULATED_CUDA_LOG", log.path());
    assert_eq!(trace.client(words).run().stdout, printed);
    let log = fs::read_to_string(log.path()).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let with = pick(&lines.iter().collect::<Vec<_>>(), "function device code");
    let mut with = with.as_array().unwrap().clone();
    let mut rest = with.iter();
    assert!(without.iter().all(|call| rest.any(|other| other == call)), "{with:?} {without:?}");
    for device in [0, 1] {
        without.push(json!(["cuDeviceGetCount", -1, 0]));
        without.extend((0..=device).map(|ordinal| json!(["cuDeviceGet", ordinal, 0])));
        without.push(json!(["cuDeviceGetUuid_v2", device, 0]));
    }
    with.sort_by_key(Value::to_string);
    without.sort_by_key(Value::to_string);
    assert_eq!(with, without);
}

/// Stacks off, the best of many batches, on a driver that costs next to nothing.
#[test]
fn a_wrapped_call_costs_less_than_two_microseconds() {
    let best = |printed: &str| -> f64 {
        let words: Vec<&str> = printed.split_whitespace().collect();
        words[words.iter().position(|word| *word == "at").unwrap() - 1].parse().unwrap()
    };
    let words = "init retain:0 cost:10000";
    let traced = trace_with(&["--stack", "none"], words);
    assert_eq!(traced.events("call").len(), 2 + 2 * 10_000);
    let (with, without) = (best(&traced.stdout), best(&alone(words).0));
    println!("with the witness {with} ns a call, without {without} ns");
    assert!(with - without < 2000.0, "{with} ns a call, {without} without the witness");
}
