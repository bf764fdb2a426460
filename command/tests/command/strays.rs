//! Which device is meant, and what happens to contexts on others.

use serde_json::Value;

use crate::traced::{Trace, Traced};

fn uuid_of(ordinal: u32) -> String {
    let traced = Trace::new(&[]).client(&format!("init retain:{ordinal}")).run();
    traced.events("device")[0]["uuid"].as_str().unwrap().to_owned()
}

/// The ordinals of the devices with strays, as the last line has them.
fn strays(traced: &Traced) -> Vec<u64> {
    let devices = traced.end()["devices"].as_array().unwrap();
    let strays = devices.iter().filter(|device| device["stray"] == true);
    strays.map(|device| device["device"].as_u64().unwrap()).collect()
}

#[test]
fn by_ordinal_the_other_device_comes_first_in_the_report() {
    let traced = Trace::new(&["--only", "1"]).client("init retain:1 thread:0").run();
    traced.ended_with(0);
    assert_eq!(strays(&traced), [0]);
    assert_eq!(traced.end()["strays"], 1);
    let stray = traced.stderr.find("STRAY device 0").expect("the stray");
    assert!(stray < traced.stderr.find("device 1").unwrap(), "{}", traced.stderr);
    traced.says("stray contexts on 1 device that is not meant");
}

#[test]
fn by_uuid_or_its_beginning() {
    let uuid = uuid_of(1);
    for name in [&*uuid, &uuid[..12]] {
        let traced = Trace::new(&["--only", name]).client("init retain:1 retain:2").run();
        traced.ended_with(0);
        assert_eq!(strays(&traced), [2], "{name}");
    }
}

#[test]
fn by_the_rank_that_a_launcher_gave() {
    for (variable, value, stray) in
        [("LOCAL_RANK", "1", 2), ("OMPI_COMM_WORLD_LOCAL_RANK", "2", 1), ("SLURM_LOCALID", "1", 2)]
    {
        let mut trace = Trace::new(&["--only", "local-rank"]);
        trace.env(variable, value);
        let traced = trace.client("init retain:1 retain:2").run();
        traced.ended_with(0);
        assert_eq!(strays(&traced), [stray], "{variable}");
        let rank = &traced.events("process")[0]["rank"];
        assert_eq!((&rank["variable"], &rank["value"]), (&variable.into(), &value.into()));
        traced.says(&format!("{variable}={value}"));
    }
}

#[test]
fn without_a_rank_nothing_is_judged_and_that_is_said() {
    let traced = Trace::new(&["--only", "local-rank"]).client("init retain:1").run();
    traced.ended_with(0);
    assert!(traced.events("device")[0]["meant"].is_null());
    traced.says("some could not be judged");
    traced.says("no launcher's variable said its rank");
}

#[test]
fn a_rank_among_all_machines_is_none_on_this_one() {
    let mut trace = Trace::new(&["--only", "local-rank"]);
    trace.env("RANK", "1").env("LOCAL_RANK", "");
    let traced = trace.client("init retain:1").run();
    traced.ended_with(0);
    assert!(traced.events("device")[0]["meant"].is_null());
    traced.says("no launcher's variable said its rank when it loaded the driver");
    traced.says(", RANK=1");
}

#[test]
fn ordinals_are_those_of_the_process() {
    let mut trace = Trace::new(&["--only", "0"]);
    trace.env("CUDA_VISIBLE_DEVICES", "2");
    let traced = trace.client("init retain:0").run();
    traced.ended_with(0);
    assert!(strays(&traced).is_empty());
    assert_eq!(traced.events("process")[0]["cuda_visible_devices"], "2");
    assert_eq!(traced.events("device")[0]["uuid"], *uuid_of(2));
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
    ] {
        let traced = Trace::new(options).client(words).run();
        traced.ended_with(code);
        assert_eq!(traced.stderr.contains("exit status 3, by --forbid"), code == 3);
    }
}

#[test]
fn denied_strays_are_refused_and_others_are_not() {
    let traced =
        Trace::new(&["--deny", "--only", "1"]).client("init retain:1 retain:0 create:2").run();
    traced.ended_with(0);
    assert_eq!(traced.stdout, "retain answers 800\ncreate answers 800\n");
    let answers = |function| -> Vec<(Value, Value)> {
        let calls = traced.calls(function);
        calls.iter().map(|call| (call["answer_name"].clone(), call["denied"].clone())).collect()
    };
    let not_permitted = (Value::from("CUDA_ERROR_NOT_PERMITTED"), Value::from(true));
    let success = (Value::from("CUDA_SUCCESS"), Value::from(false));
    assert_eq!(answers("cuDevicePrimaryCtxRetain"), [success, not_permitted.clone()]);
    assert_eq!(answers("cuCtxCreate_v2"), [not_permitted]);
    traced.says("refused with CUDA_ERROR_NOT_PERMITTED (800), by --deny");
    traced.says("contexts refused on 2 devices that are not meant");
}

#[test]
fn without_a_meant_device_deny_refuses_all_and_forbid_counts_what_was_refused() {
    let traced = Trace::new(&["--deny", "--forbid"]).client("init retain:1").run();
    traced.ended_with(3);
    assert_eq!(traced.stdout, "retain answers 800\n");
}

#[test]
fn without_a_meant_device_nothing_is_stray() {
    let traced = Trace::new(&[]).client("init retain:0 retain:1").run();
    traced.ended_with(0);
    assert!(strays(&traced).is_empty());
    traced.says("CUDA contexts in 1 process\n");
    assert!(!traced.stderr.contains("STRAY"), "{}", traced.stderr);
}
