//! `--forbid` and `--deny` fail with status 125 when they could not judge.

use crate::traced::{CLIENT, Trace, Traced, installed_driver};

/// The reasons in the last line.
fn reasons(traced: &Traced) -> Vec<String> {
    let reasons = traced.end()["reasons"].as_array().unwrap();
    reasons.iter().map(|reason| reason.as_str().unwrap().to_owned()).collect()
}

/// Runs the client with each gate: both cannot judge, and succeed only with `--allow-untraced`.
#[track_caller]
fn cannot_judge(options: &[&str], words: &str, reason: &str) {
    let run = |gate: &str, more: &[&str]| {
        Trace::new(&[options, &[gate], more].concat()).client(words).run()
    };
    for gate in ["--forbid", "--forbid=held", "--deny"] {
        let traced = run(gate, &[]);
        traced.ended_with(125);
        assert!(reasons(&traced).iter().any(|text| text.contains(reason)), "{:?}", traced.end());
        assert_eq!(traced.end()["verdict"], "not_judged");
        traced.says("could not judge everything (--allow-untraced accepts that):\n");
        traced.says(reason);
        let traced = run(gate, &["--allow-untraced"]);
        traced.ended_with(0);
        assert_eq!(traced.end()["verdict"], "passed");
    }
}

#[test]
fn without_a_rank_that_has_a_device() {
    let reason = "but no launcher set its rank (LOCAL_RANK).";
    cannot_judge(&["--only", "local-rank"], "init retain:0", reason);
    for (rank, code) in [("2", 3), ("3", 125), ("none", 125)] {
        let mut trace = Trace::new(&["--only", "local-rank", "--forbid"]);
        trace.env("LOCAL_RANK", rank);
        trace.client("init retain:0").run().ended_with(code);
    }
}

#[test]
fn with_a_device_that_no_process_has() {
    let ordinal = "Device 7 does not exist: no process sees more than 3 devices.";
    let uuid = "No process sees a device GPU-ffff0000.";
    for (only, reason) in [("7", ordinal), ("0,7", ordinal), ("0,GPU-ffff0000", uuid)] {
        cannot_judge(&["--only", only], "init retain:0", reason);
    }
}

#[test]
fn a_device_that_one_of_the_processes_has_can_be_judged() {
    let client = CLIENT.display();
    let script = format!("{client} init retain:2; CUDA_VISIBLE_DEVICES=1 {client} init retain:0");
    let traced = Trace::new(&["--forbid", "--only", "2"]).program(&["sh", "-c", &script]).run();
    traced.ended_with(3);
    assert!(reasons(&traced).is_empty());
}

#[test]
fn with_a_driver_that_is_not_traced() {
    let (_folder, driver) = installed_driver();
    let driver = driver.display();
    let reason = format!("loaded {driver}, which is not traced: it was opened by its path");
    cannot_judge(&["--only", "0"], &format!("driver:{driver} init retain:0 sleep:2500"), &reason);
    let reason = format!("also loaded {driver}, which is not traced.");
    cannot_judge(&["--only", "0"], &format!("init open:{driver} retain:0 sleep:500"), &reason);
}

#[test]
fn with_a_driver_that_was_opened_too_shortly_to_see_by_whom() {
    let (_folder, driver) = installed_driver();
    let driver = driver.to_str().unwrap();
    let run = |options: &[&str]| {
        let trace = Trace::without_driver(&[&["--driver", driver, "--forbid"], options].concat());
        trace.program(&["sh", "-c", &format!(": <{driver}")]).run()
    };
    run(&[]).ended_with(125);
    run(&["--allow-untraced"]).ended_with(0);
}

#[test]
fn with_a_process_that_outlives_the_program() {
    let script = format!("{} init sleep:4000 & exit 0", CLIENT.display());
    let traced = Trace::new(&["--forbid"]).program(&["sh", "-c", &script]).run();
    traced.ended_with(125);
    traced.says(" still runs and is no longer traced: ");
    // One that ends soon afterwards is waited for.
    let script = format!("{} init sleep:300 & exit 0", CLIENT.display());
    Trace::new(&["--forbid"]).program(&["sh", "-c", &script]).run().ended_with(0);
    let script = format!("{} sleep:300 init retain:0 & exit 0", CLIENT.display());
    Trace::new(&["--forbid"]).program(&["sh", "-c", &script]).run().ended_with(3);
}

#[test]
fn without_a_driver_the_program_is_not_started() {
    for gate in ["--forbid", "--deny"] {
        let run = |options: &[&str]| {
            let mut trace = Trace::without_driver(&[&[gate], options].concat());
            trace.env("LD_LIBRARY_PATH", "/nowhere");
            trace.program(&["sh", "-c", "echo $LD_LIBRARY_PATH; exit 4"]).run()
        };
        let traced = run(&[]);
        if traced.stdout.is_empty() {
            traced.ended_with(125);
            traced.says("No CUDA driver was found (libcuda.so.1)");
            traced.says("pass --allow-untraced to run it.");
        } else {
            println!("this machine has a driver");
        }
        let traced = run(&["--allow-untraced"]);
        traced.ended_with(4);
        assert_eq!(traced.end()["status"], 4);
    }
}

#[test]
fn a_stray_is_a_stray_even_if_not_everything_was_seen() {
    let (_folder, driver) = installed_driver();
    let words = format!("init open:{} retain:0 sleep:500", driver.display());
    Trace::new(&["--only", "1", "--forbid"]).client(&words).run().ended_with(3);
}
