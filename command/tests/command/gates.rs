//! `--forbid` and `--deny` fail with status 125 when they could not judge.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use tempfile::TempDir;

use crate::limit;
use crate::programs::{CLIENT, installed_driver};
use crate::skips::skip;
use crate::traced::{Trace, Traced, have_stacks, pick};

/// Runs the client with each gate: both cannot judge, and succeed only with `--allow-untraced`.
#[track_caller]
fn cannot_judge(options: &[&str], words: &str, reason: &str) {
    let run = |gate: &str, more: &[&str]| {
        Trace::new(&[options, &[gate], more].concat()).client(words).run()
    };
    for gate in ["--forbid", "--forbid=held", "--deny"] {
        let traced = run(gate, &[]);
        traced.ended_with(125);
        let reasons = traced.end()["reasons"].as_array().unwrap();
        assert!(reasons.iter().any(|text| text.as_str().unwrap().contains(reason)), "{reasons:?}");
        assert_eq!(traced.end()["verdict"], "not_judged");
        traced.says("could not judge everything (--allow-untraced accepts that):\n");
        traced.says(reason);
        let traced = run(gate, &["--allow-untraced"]);
        traced.ended_with(0);
        assert_eq!(traced.end()["verdict"], "passed");
    }
}

#[test]
fn without_a_device_that_is_allowed() {
    let ordinal = "Device 7 does not exist: no process sees more than 3 devices.";
    let uuid = "No process sees a device GPU-ffff0000.";
    let rank = "but no launcher set a rank (LOCAL_RANK).";
    for (only, reason) in
        [("7", ordinal), ("0,7", ordinal), ("0,GPU-ffff0000", uuid), ("local-rank", rank)]
    {
        cannot_judge(&["--only", only], "init retain:0", reason);
    }
    let mut trace = Trace::new(&["--only", "5"]);
    trace.command.env("CUDA_VISIBLE_DEVICES", "1,0");
    let missing = "  Device 5 does not exist: no process sees more than 2 devices (after CUDA_VISIBLE_DEVICES).";
    trace.client("init retain:0").run().says(missing);
    for (rank, code, text) in [
        ("2", 3, "Exit status 3 by --forbid."),
        ("3", 125, "but there is no device for its rank 3."),
        ("none", 125, r#"but LOCAL_RANK is "none", which is not a rank."#),
    ] {
        let mut trace = Trace::new(&["--only", "local-rank", "--forbid"]);
        trace.command.env("LOCAL_RANK", rank);
        let traced = trace.client("init retain:0").run();
        traced.ended_with(code);
        traced.says(text);
    }
    // One of the processes has it.
    let client = CLIENT.display();
    let script = format!("{client} init retain:2; CUDA_VISIBLE_DEVICES=1 {client} init retain:0");
    let traced = Trace::new(&["--forbid", "--only", "2"]).program(&["sh", "-c", &script]).run();
    traced.ended_with(3);
    assert_eq!(traced.end()["reasons"], serde_json::json!([]));
}

#[test]
fn with_a_driver_that_is_not_traced() {
    let (_folder, driver) = installed_driver();
    let path = driver.display();
    let reason = format!("loaded {path}, which is not traced: it was opened by its path");
    cannot_judge(&["--only", "0"], &format!("driver:{path} init retain:0 sleep:2500"), &reason);
    let beside = format!("init open:{path} retain:0 sleep:500");
    let reason = format!("also loaded {path}, which is not traced.");
    cannot_judge(&["--only", "0"], &beside, &reason);
    // A stray is a stray even if not everything was seen.
    Trace::new(&["--only", "1", "--forbid"]).client(&beside).run().ended_with(3);
    // It was opened too shortly to see by whom.
    for (options, code) in [(&["--forbid"][..], 125), (&["--forbid", "--allow-untraced"], 0)] {
        let mut trace = Trace::without_driver(options);
        trace.command.arg("--driver").arg(&driver);
        let traced = trace.program(&["sh", "-c", &format!(": <{path}")]).run();
        traced.ended_with(code);
        traced.says("The driver's file was opened, but no process was traced.");
    }
}

#[test]
fn with_a_process_that_has_the_witness_but_writes_no_record() {
    let client = CLIENT.display();
    let silent = format!("env -u CUDA_CONTEXTS_ARENA {client} init retain:0 sleep:600");
    for script in [
        format!("{client} init; {silent}"),
        // It is the same process that was traced before.
        format!("{client} init launch {silent}"),
    ] {
        let run = |options: &[&str]| Trace::new(options).program(&["sh", "-c", &script]).run();
        let text = " loaded the trace's library but wrote no record (";
        let traced = run(&["--forbid"]);
        traced.ended_with(125);
        traced.says(text);
        let traced = run(&[]);
        traced.ended_with(0);
        traced.says(text);
        traced.says("No CUDA context was seen, but not everything was traced (see below).");
    }
    // However short its life is, and whatever keeps it from the arena.
    for variable in ["-u CUDA_CONTEXTS_ARENA", "CUDA_CONTEXTS_ARENA=/nowhere"] {
        let script = format!("{client} init; env {variable} {client} init retain:0");
        let traced = Trace::new(&["--forbid"]).program(&["sh", "-c", &script]).run();
        traced.ended_with(125);
        traced.says(" loaded the trace's library but wrote no record");
    }
    // Forked children that make no call, and programs that replace them, have nothing to record.
    let script =
        format!("{client} init fork sleep:300 end fork:bare sleep:300 end spawn sleep:300");
    Trace::new(&["--forbid"]).program(&["sh", "-c", &script]).run().ended_with(0);
}

#[test]
fn with_a_process_that_cannot_be_looked_at() {
    let (folder, nobody) = (TempDir::new().unwrap(), 65534);
    let program = folder.path().join("client");
    fs::copy(CLIENT.as_path(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    if chown(folder.path(), Some(nobody), None).is_err() {
        skip("root", "a process that cannot be looked at", "only root can start one");
        return;
    }
    let run = |words: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--clear-groups", "--regid", "65534"]);
        command.args([env!("CARGO_BIN_EXE_cuda-contexts"), "trace", "--driver", "simulated"]);
        command.args(words).args(["--", "sh", "-c"]);
        command.arg(format!("{} sleep:300; id -u", program.display()));
        let output = limit::output(command.env("TMPDIR", folder.path()));
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, report) = run(&["--forbid"]);
    if code == Some(0) {
        skip("set-uid", "a process that cannot be looked at", "set-uid programs are no others");
        return;
    }
    assert_eq!(code, Some(125), "{report}");
    assert!(report.contains(" could not be looked at: permission denied ("), "{report}");
    for options in [&[][..], &["--forbid", "--allow-untraced"]] {
        let (code, report) = run(options);
        assert_eq!(code, Some(0), "{report}");
    }
}

/// Runs the client in a shell with a driver on which a retain takes 30 s, and kills it meanwhile.
fn killed_in_a_retain(options: &[&str], words: &str) -> Traced {
    let mut trace = Trace::new(options);
    trace.command.env("SIMULATED_CUDA_KNOBS", "retain_microseconds=30000000");
    let script = format!("{} {words} & sleep 1; kill -9 $!; wait $! || true", CLIENT.display());
    trace.program(&["sh", "-c", &script]).run()
}

#[test]
fn with_a_call_that_did_not_return() {
    let reason = " did not return from a call that creates a context on device 0 (";
    for options in [
        &["--forbid"][..],
        &["--forbid=held", "--only", "1"],
        &["--forbid", "--only", "local-rank"],
    ] {
        let traced = killed_in_a_retain(options, "init retain:0");
        traced.ended_with(125);
        traced.says(reason);
        traced.says("No CUDA context was seen, but 1 call may have created one (see below).");
        // Where it was is known.
        let retain = traced.calls("cuDevicePrimaryCtxRetain");
        assert_eq!(pick(&retain, "result library"), serde_json::json!([[null, "client"]]));
        assert_eq!((have_stacks(&retain), traced.events("exit").len()), (vec![true], 0));
    }
    // The same on a device that is allowed.
    for only in ["0", "one"] {
        killed_in_a_retain(&["--forbid", "--only", only], "init retain:0").ended_with(0);
    }
    let second = killed_in_a_retain(&["--forbid", "--only", "one"], "init create:1 retain:0");
    second.ended_with(125);
    second.says(reason);
}

#[test]
fn with_a_process_that_outlives_the_program() {
    let run = |words: &str| {
        let script = format!("{} {words} & exit 0", CLIENT.display());
        Trace::new(&["--forbid"]).program(&["sh", "-c", &script]).run()
    };
    let traced = run("init sleep:4000");
    traced.ended_with(125);
    traced.says(" still runs and is no longer traced: ");
    // One that ends soon afterwards is waited for.
    run("init sleep:300").ended_with(0);
    run("sleep:300 init retain:0").ended_with(3);
}

#[test]
fn without_a_driver_the_program_is_not_started() {
    for gate in ["--forbid", "--deny"] {
        let run = |options: &[&str]| {
            let mut trace = Trace::without_driver(&[&[gate], options].concat());
            trace.command.env("LD_LIBRARY_PATH", "/nowhere");
            trace.program(&["sh", "-c", "echo failed >&2; echo $LD_LIBRARY_PATH; exit 4"]).run()
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
        if traced.stdout == "/nowhere\n" {
            // The cause comes before what the program says.
            traced.says("driver was found (libcuda.so.1), so nothing is traced.\nfailed\n");
        }
    }
}
