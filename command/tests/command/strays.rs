//! Which devices are allowed, and what happens to contexts on others.

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
fn contexts_on_devices_that_are_not_allowed_are_strays() {
    let uuid = uuid_of(1);
    for (only, variable, words, expected) in [
        ("1", "NONE=", "init retain:1 thread:0", &[0][..]),
        ("0,1,2", "NONE=", "init retain:0 retain:1", &[]),
        (&format!("0,{uuid}"), "NONE=", "init retain:0 retain:1 retain:2", &[2]),
        (&uuid, "NONE=", "init retain:1 retain:2", &[2]),
        (&uuid[..12], "NONE=", "init retain:1 retain:2", &[2]),
        ("local-rank", "LOCAL_RANK=1", "init retain:1 retain:2", &[2]),
        ("local-rank", "OMPI_COMM_WORLD_LOCAL_RANK=2", "init retain:1 retain:2", &[1]),
        ("local-rank", "SLURM_LOCALID=1", "init retain:1 retain:2", &[2]),
        ("local-rank", "MPI_LOCALRANKID=2", "init retain:1 retain:2", &[1]),
        ("local-rank", "MV2_COMM_WORLD_LOCAL_RANK=1", "init retain:1 retain:2", &[2]),
        ("one", "NONE=", "init retain:2 retain:1", &[1, 2]),
        ("one", "NONE=", "init retain:2 spawn init retain:1", &[]),
        // Ordinals are those of the process.
        ("0", "CUDA_VISIBLE_DEVICES=2", "init retain:0", &[]),
    ] {
        let (name, value) = variable.split_once('=').unwrap();
        let mut trace = Trace::new(&["--only", only]);
        trace.command.env(name, value);
        let traced = trace.client(words).run();
        traced.ended_with(0);
        assert_eq!(strays(&traced), expected, "{only} {variable}");
        assert_eq!(traced.end()["strays"], expected.len());
        assert_eq!(traced.stderr.matches("STRAY on device").count(), expected.len());
        if only == "local-rank" {
            let rank = &traced.events("process")[0]["rank"];
            assert_eq!((&rank["variable"], &rank["value"]), (&name.into(), &value.into()));
            traced.says(variable);
        }
        if name == "CUDA_VISIBLE_DEVICES" {
            assert_eq!(traced.events("process")[0]["cuda_visible_devices"], value);
            assert_eq!(traced.events("device")[0]["uuid"], *uuid_of(2));
        }
    }
}

#[test]
fn without_a_rank_nothing_is_judged() {
    for rank in [None, Some("1")] {
        let mut trace = Trace::new(&["--only", "local-rank"]);
        // A rank among all machines is none on this one.
        rank.map(|rank| trace.command.env("RANK", rank).env("LOCAL_RANK", ""));
        let traced = trace.client("init retain:1").run();
        traced.ended_with(0);
        assert!(traced.events("device")[0]["allowed"].is_null());
        traced.says("cannot be judged, because no launcher set a rank (LOCAL_RANK)");
        assert_eq!(traced.stderr.contains("(RANK=1)"), rank.is_some(), "{}", traced.stderr);
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

#[test]
fn denied_strays_are_refused_and_others_are_not() {
    let traced =
        Trace::new(&["--deny", "--only", "1"]).client("init retain:1 retain:0 create:2").run();
    traced.ended_with(0);
    assert_eq!(traced.stdout, "retain returned 800\ncreate returned 800\n");
    for (call, code) in traced.events("call").iter().skip(1).zip([0, 800, 800]) {
        assert_eq!((&call["result"], &call["denied"]), (&code.into(), &(code == 800).into()));
    }
    assert!(strays(&traced).is_empty());
    traced.says("cuda-contexts: Refused 2 contexts outside the allowed devices (--only 1).");
    for (options, refused) in [(&["--deny", "--only", "one"][..], 1), (&["--deny"], 2)] {
        let traced = Trace::new(options).client("init retain:2 retain:1").run();
        assert_eq!(traced.stdout, "retain returned 800\n".repeat(refused), "{options:?}");
    }
}
