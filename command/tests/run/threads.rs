//! What a new thread begins with, and what stays as it is.

use std::process::Command;

use super::started::{DRIVER, client, client_and_calls, command, with_driver};
use crate::limit::{self, printed};
use crate::programs::{self, CLIENT, library, small_driver};
use crate::skips::skip;
use crate::traced::trace_with;

#[test]
fn new_threads_begin_on_their_creator_s_device() {
    for (words, printed) in [
        (
            "init select:1 posix c11 detached references:1",
            "posix 1, c11 1, detached 1, references 1",
        ),
        // Attributes and errors stay as they are.
        ("init select:1 small refused references:1", "small -1, refused returned 11, references 1"),
        // Nothing changes without a driver or a context.
        ("posix c11 start:100 init posix", "posix -1, c11 -1, start 100, posix -1"),
        ("init select:1 select:1 start:10000 references:1", "start 10000, references 2"),
        // A context that is not primary, beside a primary one, is not inherited.
        ("init select:1 create:1 posix references:1", "posix -1, references 1"),
        (
            "init select:1 create:2 posix references:1 references:2",
            "posix -1, references 1, references 0",
        ),
        // After cuInit, the driver is of no use in a forked child. Before it, a child is like any other process.
        ("init select:1 fork posix c11", "posix -1, c11 -1"),
        ("posix fork init select:2 posix references:2", "posix -1, posix 2, references 1"),
        // A handler creates a thread, and a thread that waits for signals does.
        ("init select:1 in-handler waiter references:1", "in-handler 1, waiter 1, references 1"),
    ] {
        assert_eq!(client(words, &[]), printed, "{words}");
    }
}

#[test]
fn a_thread_with_a_small_stack_by_default_inherits_nothing() {
    let client = CLIENT.display();
    let script = format!("ulimit -s 60 && exec {client} init select:1 posix");
    assert_eq!(printed(command("run").args(["--", "sh", "-c", &script])), "posix -1\n");
}

#[test]
fn drivers_and_programs_of_other_kinds_do_the_same() {
    let words = "init select:1 posix c11 references:1";
    let expected = "posix 1, c11 1, references 1";
    let opaque = ("SIMULATED_CUDA_KNOBS", "handles_are_ordinals=0");
    assert_eq!(client(words, &[opaque]), expected);
    // Without the command, threads have no device; with the printed library, they do.
    let library = printed(command("run").arg("--print-preload"));
    for (preloaded, device) in [("", "-1"), (library.trim_end(), "1")] {
        let mut program = Command::new(&*CLIENT);
        with_driver(&mut program);
        program.env("LD_PRELOAD", preloaded).args(["init", "select:1", "posix"]);
        assert_eq!(printed(&mut program), format!("posix {device}\n"));
    }
    // A linked driver is found like an opened one.
    let driver = DRIVER.1.to_str().unwrap();
    let linked = programs::client("linked", &["-Wl,--no-as-needed", driver]);
    let text = printed(command("run").arg(linked).args(words.split_whitespace()));
    assert_eq!(text.replace('\n', ", "), format!("{expected}, "));
}

/// AddressSanitizer's shared runtime requires to be the first library.
#[test]
fn programs_with_sanitizers_start() {
    for kind in ["address", "thread", "leak"] {
        let runtime = format!("-fsanitize={kind}");
        let mut probe = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        probe.args([&runtime, "-xc", "-shared", "-o", "/dev/null", "/dev/null"]);
        if !limit::output(&mut probe).status.success() {
            skip(&format!("sanitizer-{kind}"), kind, "the C compiler has no such sanitizer");
            continue;
        }
        let program = programs::client(kind, &[&runtime]);
        let mut command = command("run");
        command.env("ASAN_OPTIONS", "detect_leaks=0").arg(program);
        // ThreadSanitizer does not know thrd_create.
        let text = printed(command.args(["init", "select:1", "posix", "references:1"]));
        assert_eq!(text, "posix 1\nreferences 1\n", "{kind}");
    }
}

#[test]
fn errno_and_a_pending_cancellation_stay_as_they_are() {
    let (folder, _driver) = small_driver();
    let small = ("LD_LIBRARY_PATH", folder.path().to_str().unwrap());
    assert_eq!(client("init select:1 errno", &[small]), "errno EXDEV");
    // The simulated driver writes its log, and a write is a cancellation point.
    let log = folder.path().join("log");
    let printed = client(
        "init select:1 create-cancelled references:1",
        &[("SIMULATED_CUDA_LOG", log.to_str().unwrap())],
    );
    let mut lines: Vec<&str> = printed.split(", ").collect();
    lines.sort_unstable();
    assert_eq!(lines, ["cancelled 1", "created", "references 1"]);
}

#[test]
fn the_program_may_close_the_driver() {
    let (folder, _driver) = small_driver();
    let small = ("LD_LIBRARY_PATH", folder.path().to_str().unwrap());
    let printed = client("init select:1 close posix c11 references:1", &[small]);
    assert_eq!(printed, "posix 1, c11 1, references 1");
}

#[test]
fn a_context_that_is_gone_is_not_inherited() {
    // A second retain would create the released context again.
    let (line, calls) = client_and_calls("init select:1 release:1 posix", "");
    assert_eq!(line, "posix -1");
    assert_eq!(calls.iter().filter(|call| *call == "cuDevicePrimaryCtxRetain").count(), 1);
    // A reset destroys it while the thread is created. The calls are the client's own, and the first thread's.
    let before_threads = library("before.so", &["-DPRELOADED"]);
    let words = "init select:1 posix before:reset posix";
    let (line, calls) = client_and_calls(words, before_threads.to_str().unwrap());
    assert_eq!(line, "posix 1, posix -1");
    assert_eq!(calls.iter().filter(|call| *call == "cuCtxSetCurrent").count(), 2);
}

#[test]
fn the_loader_s_lock_is_not_needed() {
    let constructor = library("constructor.so", &["-DCONSTRUCTOR"]);
    let words = format!("init select:1 constructor:{} references:1", constructor.display());
    let expected = "beside-a-constructor 1, in-a-constructor 1, references 1";
    assert_eq!(client(&words, &[]), expected);
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
        let line = client("init select:1 posix references:1", &[("SIMULATED_CUDA_FAULT", fault)]);
        assert_eq!(line, format!("posix {began}, references {references}"), "{fault}");
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
    let options = ["--keep-threads", "--only", "1", "--forbid"];
    let words = "posix init select:1 posix c11 named:pool-0 references:1";
    let traced = trace_with(&options, words);
    assert_eq!(traced.stdout, "posix -1\nposix 1\nc11 1\nreferences 1\n");
    let line = traced.stderr.lines().find(|line| line.contains("threads started"));
    let line = line.unwrap_or_else(|| panic!("{}", traced.stderr));
    assert!(line.starts_with("  threads started on device 1: 3 ("), "{line}");
    assert!(line.contains("pool-0"), "{line}");
    let threads = traced.events("thread");
    assert_eq!(threads.len(), 3);
    assert!(threads.iter().all(|line| line["device"] == 1 && line["tid"] != line["pid"]));
    assert_eq!(threads[2]["thread"], "pool-0");
    assert_eq!(traced.end()["devices"][0]["threads_started"], 3);
}
