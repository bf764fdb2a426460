//! Which devices are allowed, and what happens to contexts on others.

use std::fs;

use serde_json::{Value, json};

use crate::traced::{Trace, Traced, have_stacks, pick};

fn uuid_of(ordinal: u32) -> String {
    let traced = Trace::new(&[]).client(&format!("init retain:{ordinal}")).run();
    traced.events("device")[0]["uuid"].as_str().unwrap().to_owned()
}

#[track_caller]
fn trace_with_variables(only: &str, variables: &str, words: &str) -> Traced {
    let mut trace = Trace::new(&["--only", only]);
    trace.command.envs(variables.split_whitespace().filter_map(|pair| pair.split_once('=')));
    let traced = trace.client(words).run();
    traced.ended_with(0);
    traced
}

/// The ordinals of the devices with strays, as the last line has them.
fn strays(traced: &Traced) -> Vec<u64> {
    let devices = traced.end()["devices"].as_array().unwrap();
    let strays = devices.iter().filter(|device| device["stray"] == true);
    strays.map(|device| device["device"].as_u64().unwrap()).collect()
}

#[test]
fn contexts_on_devices_that_are_not_allowed_are_strays() {
    let uuid = uuid_of(1);
    let upper = format!("GPU-{}", uuid[4..].to_uppercase());
    let [yes, no] = [Some(true), Some(false)];
    // The last variable is the rank. Empty ones do not count, and the others have an order.
    for (only, variables, allowed) in [
        ("1", "", [no, yes, no]),
        ("0,2", "", [yes, no, yes]),
        (&uuid, "", [no, yes, no]),
        (&upper[..12], "", [no, yes, no]),
        (&format!("0,{uuid}"), "", [yes, yes, no]),
        ("local-rank", "LOCAL_RANK=1", [no, yes, no]),
        ("local-rank", "OMPI_COMM_WORLD_LOCAL_RANK=2", [no, no, yes]),
        ("local-rank", "SLURM_LOCALID=1", [no, yes, no]),
        ("local-rank", "MPI_LOCALRANKID=2", [no, no, yes]),
        ("local-rank", "MV2_COMM_WORLD_LOCAL_RANK=1", [no, yes, no]),
        ("local-rank", "LOCAL_RANK= RANK=1 SLURM_LOCALID=0 MPI_LOCALRANKID=2", [no, no, yes]),
        // A rank among all machines is none on this one.
        ("local-rank", "LOCAL_RANK= RANK=1", [None; 3]),
        ("local-rank", "LOCAL_RANK=two", [None; 3]),
        ("local-rank", "LOCAL_RANK=-1", [None; 3]),
        ("local-rank", "LOCAL_RANK=4294967298", [None; 3]),
        ("one", "", [None; 3]),
    ] {
        let traced = trace_with_variables(only, variables, "init retain:0 retain:1 retain:2");
        let is_allowed = |device: &&Value| device["allowed"].as_bool();
        let found: Vec<_> = traced.events("device").iter().map(is_allowed).collect();
        assert_eq!(found, allowed, "{only} {variables}");
        let is_stray = |device: &u64| allowed[*device as usize] == no || only == "one";
        let expected: Vec<u64> = (0..3).filter(is_stray).collect();
        assert_eq!(strays(&traced), expected, "{only} {variables}");
        assert_eq!(traced.end()["strays"], expected.len());
        assert_eq!(traced.stderr.matches("STRAY on device").count(), expected.len());
        if let Some((name, value)) = variables.rsplit(' ').next().unwrap().split_once('=') {
            let rank = &traced.events("process")[0]["rank"];
            assert_eq!((&rank["variable"], &rank["value"]), (&name.into(), &value.into()));
            traced.says(&format!("({name}={value})"));
        }
    }
    // If no process sees the allowed device, none is a stray.
    let traced = trace_with_variables("GPU-ffffffff-0000", "", "init retain:0");
    assert_eq!(
        (&traced.events("device")[0]["allowed"], &*strays(&traced)),
        (&false.into(), &[][..])
    );
    // Each process has one.
    let traced = trace_with_variables("one", "", "init retain:2 spawn init retain:1");
    assert!(strays(&traced).is_empty());
}

/// Also if a launcher shows each process a device of its own.
#[test]
fn ordinals_are_those_of_the_process() {
    for (only, variables) in
        [("0", "CUDA_VISIBLE_DEVICES=2"), ("local-rank", "LOCAL_RANK=2 CUDA_VISIBLE_DEVICES=2")]
    {
        let traced = trace_with_variables(only, variables, "init retain:0");
        assert_eq!(traced.events("process")[0]["cuda_visible_devices"], "2");
        assert_eq!(pick(&traced.events("device"), "allowed uuid"), json!([[true, uuid_of(2)]]));
        assert!(strays(&traced).is_empty());
    }
}

#[test]
fn forbidden_strays_give_status_3() {
    for (options, words, code) in [
        (&["--forbid", "--only", "1"][..], "init retain:1 retain:0 exit:7", 3),
        (&["--forbid", "--only", "1"], "init retain:1 exit:7", 7),
        (&["--forbid"], "init retain:1", 3),
        (&["--forbid"], "init create:1 destroy", 3),
        (&["--forbid"], "init", 0),
        (&["--only", "1"], "init retain:0", 0),
        (&["--forbid"], "fork init retain:1", 3),
        (&["--forbid", "--only", "1"], "init retain:0 raise:9", 3),
        (&["--forbid=held", "--only", "1"], "init retain:0 release:0", 0),
        (&["--forbid=held", "--only", "1"], "init retain:0 exit:7", 3),
        // References stay after a reset, but the context is destroyed until the next retain.
        (&["--forbid=held", "--only", "1"], "init retain:0 reset:0", 0),
        (&["--forbid=held", "--only", "1"], "init retain:0 reset:0 retain:0", 3),
        (&["--forbid=held", "--only", "one"], "init retain:0 retain:1 release:0", 0),
        (&["--forbid", "--only", "one"], "init retain:0 retain:1 release:0", 3),
        // What was refused counts.
        (&["--forbid", "--deny"], "init retain:1", 3),
    ] {
        let traced = Trace::new(options).client(words).run();
        traced.ended_with(code);
        assert_eq!(traced.stderr.contains("Exit status 3 by --forbid."), code == 3);
    }
}

/// By every function, and the driver is not called.
#[test]
fn denied_strays_are_refused_and_others_are_not() {
    let ways = ["retain", "create", "create3", "create4", "create-gl", "green"];
    let refused = ways.map(|way| format!("{way}:0 {way}:2")).join(" ");
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut trace = Trace::new(&["--deny", "--only", "1"]);
    trace.command.env("SIMULATED_CUDA_LOG", log.path());
    let traced = trace.client(&format!("init {refused} retain:1 create:1 green:1")).run();
    traced.ended_with(0);
    let printed = ways.map(|way| format!("{way} returned 800\n").repeat(2));
    assert_eq!(traced.stdout, printed.concat());
    let calls = traced.events("call");
    let (denied, made) = calls[1..].split_at(2 * ways.len());
    let expected = Value::from(vec![json!([true, 800, false]); 12]);
    assert_eq!(pick(denied, "denied result created"), expected);
    assert!(denied.iter().all(|call| call["references"] == 0));
    assert!(have_stacks(denied).iter().all(|has_one| *has_one));
    assert_eq!(made.iter().filter(|call| call["denied"] == false).count(), 3);
    let log = fs::read_to_string(log.path()).unwrap();
    let asked = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let creates = |call: &Value| {
        let function = call["function"].as_str().unwrap();
        function == "cuDevicePrimaryCtxRetain" || function.contains("CtxCreate")
    };
    let devices: Vec<Value> = asked.filter(creates).map(|call| call["device"].clone()).collect();
    assert_eq!(devices, [1, 1, 1]);
    assert!(strays(&traced).is_empty());
    traced.says("cuda-contexts: Refused 12 contexts outside the allowed devices (--only 1).");
    for (options, words, printed) in [
        // Before cuInit the driver has the say.
        (
            &["--deny"][..],
            "retain:0 init retain:2 release:2",
            "retain returned 3\nretain returned 800\nrelease returned 201\n",
        ),
        // Each process may hold contexts on one device, whichever it comes to first.
        (
            &["--deny", "--only", "one"],
            "init retain:1 retain:0 create:2 retain:1 release:1 release:1 retain:0 retain:1",
            "retain returned 800\ncreate returned 800\nretain returned 800\n",
        ),
        (&["--deny", "--only", "local-rank"], "init retain:0", ""),
        // Threads that come while a device is looked up are refused, too.
        (&["--deny", "--only", "1"], "init threads:16,20", "threads returned 320\n"),
    ] {
        let traced = Trace::new(&[options, &["--allow-untraced"]].concat()).client(words).run();
        assert_eq!(traced.stdout, printed, "{options:?}");
    }
}
