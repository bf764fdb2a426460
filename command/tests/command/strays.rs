//! Which devices are allowed, and what happens to contexts on others.

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
    let stray = traced.stderr.find("STRAY on device 0").expect("the stray");
    assert!(stray < traced.stderr.find("Process ").unwrap(), "{}", traced.stderr);
    traced.says("cuda-contexts: 1 process holds 1 stray on device 0 (GPU-");
}

#[test]
fn by_a_set_of_ordinals_and_uuids() {
    let set = format!("0,{}", uuid_of(1));
    let traced = Trace::new(&["--only", &set]).client("init retain:0 retain:1 retain:2").run();
    traced.ended_with(0);
    assert_eq!(strays(&traced), [2]);
}

#[test]
fn with_one_device_for_each_process_both_devices_of_a_process_are_strays() {
    let options = ["--only", "one", "--forbid"];
    let traced = Trace::new(&options).client("init retain:2 spawn init retain:1").run();
    traced.ended_with(0);
    assert!(strays(&traced).is_empty());
    let traced = Trace::new(&options).client("init retain:2 retain:1").run();
    traced.ended_with(3);
    assert_eq!(strays(&traced), [1, 2]);
    traced.says("holds contexts on more than one device: device 1 (GPU-");
    assert_eq!(traced.stderr.matches("STRAY on device").count(), 2, "{}", traced.stderr);
    let words = "init retain:2 retain:1";
    let traced = Trace::new(&["--only", "one", "--deny"]).client(words).run();
    traced.ended_with(0);
    assert_eq!(traced.stdout, "retain returned 800\n");
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
fn without_a_rank_nothing_is_judged() {
    for rank in [None, Some("1")] {
        let mut trace = Trace::new(&["--only", "local-rank"]);
        // A rank among all machines is none on this one.
        rank.map(|rank| trace.env("RANK", rank).env("LOCAL_RANK", ""));
        let traced = trace.client("init retain:1").run();
        traced.ended_with(0);
        assert!(traced.events("device")[0]["allowed"].is_null());
        traced.says("cannot be judged, because no launcher set a rank (LOCAL_RANK)");
        assert_eq!(traced.stderr.contains("(RANK=1)"), rank.is_some(), "{}", traced.stderr);
    }
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
        (&["--forbid=held", "--only", "1"], "init retain:0 release:0", 0),
        (&["--forbid=held", "--only", "1"], "init retain:0 exit:7", 3),
        (&["--forbid=held", "--only", "one"], "init retain:0 retain:1 release:0", 0),
        (&["--forbid", "--only", "one"], "init retain:0 retain:1 release:0", 3),
    ] {
        let traced = Trace::new(options).client(words).run();
        traced.ended_with(code);
        assert_eq!(traced.stderr.contains("Exit status 3 by --forbid."), code == 3);
    }
}

#[test]
fn denied_strays_are_refused_and_others_are_not() {
    let traced =
        Trace::new(&["--deny", "--only", "1"]).client("init retain:1 retain:0 create:2").run();
    traced.ended_with(0);
    assert_eq!(traced.stdout, "retain returned 800\ncreate returned 800\n");
    let results = |function| -> Vec<(Value, Value)> {
        let calls = traced.calls(function);
        calls.iter().map(|call| (call["result_name"].clone(), call["denied"].clone())).collect()
    };
    let not_permitted = (Value::from("CUDA_ERROR_NOT_PERMITTED"), Value::from(true));
    let success = (Value::from("CUDA_SUCCESS"), Value::from(false));
    assert_eq!(results("cuDevicePrimaryCtxRetain"), [success, not_permitted.clone()]);
    assert_eq!(results("cuCtxCreate_v2"), [not_permitted]);
    assert!(strays(&traced).is_empty());
    traced.says("returned CUDA_ERROR_NOT_PERMITTED (800) (by --deny)");
    traced.says("cuda-contexts: Refused 2 contexts outside the allowed devices (--only 1).");
}

#[test]
fn without_only_deny_refuses_all_and_forbid_counts_what_was_refused() {
    let traced = Trace::new(&["--deny", "--forbid"]).client("init retain:1").run();
    traced.ended_with(3);
    assert_eq!(traced.stdout, "retain returned 800\n");
}

#[test]
fn without_only_nothing_is_a_stray() {
    let traced = Trace::new(&[]).client("init retain:0 retain:1").run();
    traced.ended_with(0);
    assert!(strays(&traced).is_empty());
    traced.says("cuda-contexts: CUDA contexts in 1 process on device 0 (GPU-");
    assert!(!traced.stderr.contains("STRAY"), "{}", traced.stderr);
}
