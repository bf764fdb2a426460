//! What a new thread begins with, and what stays as it is.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::limit;
use crate::started::{
    FOLDER, client, client_and_calls, client_with, command, printed, with_driver,
};

#[test]
fn new_threads_begin_on_their_creator_s_device() {
    let words = "init retain:1 posix c11 detached references:1";
    let expected = ["posix 1", "c11 1", "detached 1", "references 1"];
    assert_eq!(client(words), expected);
    let opaque = ("SIMULATED_CUDA_KNOBS", OsStr::new("handles_are_ordinals=0"));
    assert_eq!(client_with(words, &[opaque]), expected);
    // Without the command, they have no device.
    let mut alone = Command::new(&FOLDER.client);
    with_driver(&mut alone);
    let text = printed(alone.args(words.split_whitespace()));
    assert_eq!(text, "posix -1\nc11 -1\ndetached -1\nreferences 1\n");
}

#[test]
fn a_linked_driver_is_found_like_an_opened_one() {
    let mut command = command("run");
    command.arg(&FOLDER.linked_client).args(["init", "retain:2", "posix", "c11", "references:2"]);
    assert_eq!(printed(&mut command), "posix 2\nc11 2\nreferences 1\n");
}

#[test]
fn the_printed_library_does_the_same() {
    let library = printed(command("run").arg("--print-preload"));
    let mut program = Command::new(&FOLDER.client);
    with_driver(&mut program);
    program.env("LD_PRELOAD", library.trim_end()).args(["init", "retain:1", "posix"]);
    assert_eq!(printed(&mut program), "posix 1\n");
}

#[test]
fn attributes_and_errors_stay_as_they_are() {
    let lines = client("init retain:1 small refused references:1");
    assert_eq!(lines, ["small -1", "refused EAGAIN", "references 1"]);
    assert_eq!(client_of_the_closable_driver("init retain:1 errno"), ["errno EXDEV"]);
}

#[track_caller]
fn client_of_the_closable_driver(words: &str) -> Vec<String> {
    client_with(words, &[("LD_LIBRARY_PATH", FOLDER.closable.as_os_str())])
}

#[test]
fn a_process_without_a_driver_or_a_context_is_left_alone() {
    assert_eq!(
        client("posix c11 many:100 init posix"),
        ["posix -1", "c11 -1", "many 100", "posix -1"]
    );
}

#[test]
fn ten_thousand_threads_leave_the_references_as_they_were() {
    let lines = client("init retain:1 retain:1 many:10000 references:1");
    assert_eq!(lines, ["many 10000", "references 2"]);
}

#[test]
fn a_pending_cancellation_waits_for_the_program_s_own_calls() {
    // The simulated driver writes its log, and a write is a cancellation point.
    let log = FOLDER.path().join("cancelled.log");
    let mut lines = client_with(
        "init retain:1 cancelled references:1",
        &[("SIMULATED_CUDA_LOG", log.as_os_str())],
    );
    lines.sort();
    assert_eq!(lines, ["cancelled 1", "created", "references 1", "was cancelled"]);
}

#[test]
fn threads_of_forked_children_begin_like_others() {
    // After cuInit, the driver is of no use in a child; before it, the child is like any other process.
    assert_eq!(client("init retain:1 fork posix c11"), ["posix -1", "c11 -1"]);
    let lines = client("posix fork init retain:2 posix references:2");
    assert_eq!(lines, ["posix -1", "posix 2", "references 1"]);
}

#[test]
fn only_an_active_primary_context_is_inherited() {
    let (lines, calls) = client_and_calls("init retain:1 release:1 posix", Path::new(""));
    assert_eq!(lines, ["posix -1"]);
    // A second retain would create the context again.
    assert_eq!(calls.iter().filter(|call| *call == "cuDevicePrimaryCtxRetain").count(), 1);
    let lines = client("init retain:1 ordinary:1 posix references:1");
    assert_eq!(lines, ["posix -1", "references 1"]);
    let lines = client("init retain:1 ordinary:2 posix references:1 references:2");
    assert_eq!(lines, ["posix -1", "references 1", "references 0"]);
}

#[test]
fn a_context_that_a_reset_destroyed_meanwhile_is_not_inherited() {
    let words = "init retain:1 posix before:reset posix";
    let (lines, calls) = client_and_calls(words, &FOLDER.before_threads);
    assert_eq!(lines, ["posix 1", "posix -1"]);
    // The client's own, and that of the first thread.
    assert_eq!(calls.iter().filter(|call| *call == "cuCtxSetCurrent").count(), 2);
}

#[test]
fn the_loader_s_lock_is_not_needed() {
    let words = format!("init retain:1 constructor:{} references:1", FOLDER.constructor.display());
    let expected = ["beside-a-constructor 1", "in-a-constructor 1", "references 1"];
    assert_eq!(client(&words), expected);
}

#[test]
fn the_program_may_close_the_driver() {
    let words = "init retain:1 close posix reopen c11 references:1";
    let lines = client_of_the_closable_driver(words);
    assert_eq!(lines, ["posix 1", "c11 1", "references 1"]);
}

#[test]
fn a_thread_starts_whichever_driver_call_fails() {
    // The client's own calls are counted, too.
    for (fault, began, references) in [
        ("cuCtxGetCurrent:1:999:refused:once", -1, 1),
        ("cuCtxGetDevice:1:999:refused:once", -1, 1),
        ("cuDevicePrimaryCtxGetState:1:999:refused:once", -1, 1),
        ("cuDevicePrimaryCtxRetain:2:999:refused:once", -1, 1),
        ("cuCtxGetApiVersion:1:999:refused:once", -1, 1),
        ("cuCtxSetCurrent:2:999:refused:once", -1, 1),
        ("cuDevicePrimaryCtxRelease_v2:1:999:done:once", 1, 1),
        // The driver keeps the reference that it did not take back.
        ("cuDevicePrimaryCtxRelease_v2:1:999:refused:once", 1, 2),
    ] {
        let variable = ("SIMULATED_CUDA_FAULT", OsStr::new(fault));
        let lines = client_with("init retain:1 posix references:1", &[variable]);
        assert_eq!(
            lines,
            [format!("posix {began}"), format!("references {references}")],
            "{fault}"
        );
    }
}

#[test]
fn the_command_s_own_failures_have_their_statuses() {
    let status = |words: &[&str]| limit::output(command("run").args(words)).status.code();
    assert_eq!(status(&["/no/such/program"]), Some(127));
    assert_eq!(status(&["/"]), Some(126));
    assert_eq!(status(&["--unknown"]), Some(125));
    assert_eq!(status(&["sh", "-c", "exit 7"]), Some(7));
    let mut homeless = command("run");
    homeless.env_remove("XDG_CACHE_HOME").env_remove("HOME").arg("true");
    assert_eq!(limit::output(&mut homeless).status.code(), Some(125));
}

#[test]
fn the_trace_keeps_threads_as_well_and_reports_them() {
    let [report, json] = ["kept-report", "kept-json"].map(|name| FOLDER.path().join(name));
    let mut traced = command("trace");
    traced.args(["--keep-threads", "--only", "1", "--forbid", "--output"]).arg(&report);
    traced.arg("--json").arg(&json).arg("--").arg(&FOLDER.client);
    traced.args(["posix", "init", "retain:1", "posix", "c11", "named:pool-0", "references:1"]);
    assert_eq!(printed(&mut traced), "posix -1\nposix 1\nc11 1\nreferences 1\n");
    let report = fs::read_to_string(report).unwrap();
    let line = report.lines().find(|line| line.contains("threads started"));
    let line = line.unwrap_or_else(|| panic!("{report}"));
    assert!(line.starts_with("  threads started on device 1: 3 ("), "{line}");
    assert!(line.contains("pool-0"), "{line}");
    let json = fs::read_to_string(json).unwrap();
    let lines = json.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let threads: Vec<_> = lines.iter().filter(|line| line["event"] == "thread").collect();
    assert_eq!(threads.len(), 3);
    assert!(threads.iter().all(|line| line["device"] == 1 && line["tid"] != line["pid"]));
    assert_eq!(threads[2]["thread"], "pool-0");
    assert_eq!(lines.last().unwrap()["devices"][0]["threads_started"], 3);
}
