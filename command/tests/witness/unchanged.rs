//! Programs that the witness could change, each with it and without: the same output, the same status.

use std::env;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::limit;
use crate::programs::{CLIENT, client, installed_driver, library, small_driver};
use crate::traced::{Trace, Traced, pick};

/// The version of `dlsym` that a hook asks for.
const OLDEST: &str =
    if cfg!(target_arch = "x86_64") { "-DHOOK=\"GLIBC_2.2.5\"" } else { "-DHOOK=\"GLIBC_2.17\"" };

/// Runs a program with the witness before this driver and without, and compares.
fn compare(driver: &Path, program: &Path, words: &str, preload: &str) -> Traced {
    let libraries = program.parent().unwrap();
    let preload = format!("LD_PRELOAD={preload}");
    let command = ["env", &preload, program.to_str().unwrap()].into_iter();
    let command: Vec<&str> = command.chain(words.split_whitespace()).collect();
    let mut alone = Command::new(command[0]);
    let path = env::join_paths([driver.parent().unwrap(), libraries]).unwrap();
    let alone = limit::output(alone.args(&command[1..]).env("LD_LIBRARY_PATH", path));
    let printed = String::from_utf8(alone.stdout).unwrap();
    assert_eq!(alone.status.code(), Some(0), "{words} alone: {printed}");
    let mut trace = Trace::behind(driver, &["--stack", "all"]);
    trace.command.env("LD_LIBRARY_PATH", libraries);
    let traced = trace.program(&command).run();
    traced.ended_with(0);
    assert_eq!(traced.stdout, printed, "{words}");
    traced
}

#[test]
fn programs_in_harsh_conditions_run_alike() {
    let (_folder, driver) = installed_driver();
    for (words, expected, calls) in [
        ("init small-stack", "", 3),
        // Every system call but write and exit kills, and so does the processor's clock.
        ("init retain:0 seccomp", "seccomp 0\n", 6),
        ("beside-filtered init retain:0 seccomp", "seccomp 0\n", 6),
    ] {
        let traced = compare(&driver, &CLIENT, words, "");
        let seen = traced.events("call");
        assert_eq!((&*traced.stdout, seen.len()), (expected, calls), "{words}");
        assert!(seen.iter().all(|call| call["result"] == 0), "{words}");
    }
}

/// While the driver is opened, and while a forked child calls it. The driver itself must not notice.
#[test]
fn a_pending_cancellation_stays_pending() {
    let (_folder, driver) = small_driver();
    for (words, calls) in [("cancelled", 0), ("load fork cancelled end", 2)] {
        let traced = compare(&driver, &CLIENT, words, "");
        assert_eq!((&*traced.stdout, traced.events("call").len()), ("", calls), "{words}");
    }
}

#[test]
fn a_preloaded_library_that_hooks_dlsym_is_no_circle() {
    let hook = library("hook.so", &[OLDEST]);
    let (_folder, driver) = installed_driver();
    let traced = compare(&driver, &CLIENT, "init retain:0", hook.to_str().unwrap());
    assert_eq!(traced.calls("cuInit")[0]["library"], "hook.so");
}

#[test]
fn an_interpreter_may_be_unloaded_before_the_driver_is_called() {
    library("libgone.so", &["-DPYTHON=0x030b00f0"]);
    let (_folder, driver) = installed_driver();
    let words = "by:libgone.so load unload:libgone.so init retain:0";
    let traced = compare(&driver, &CLIENT, words, "");
    assert_eq!(traced.stdout, "");
    assert_eq!(traced.events("process")[0]["python"], "3.11", "it was seen");
}

/// The words of a stack may be old: nobody knows what they point into.
#[test]
fn another_thread_may_unload_what_a_stack_points_into() {
    library("passing.so", &[]);
    let (_folder, driver) = installed_driver();
    let traced = compare(&driver, &CLIENT, "init retain:0 unloading:passing.so", "");
    assert_eq!((&*traced.stdout, traced.events("call").len()), ("", 2 + 2 * 3000));
}

/// Since 3.15 the interpreter writes its own stack. This one is loaded after the witness.
#[test]
fn the_lines_that_an_interpreter_writes_are_read_back() {
    library("libpython-new.so", &["-DPYTHON=0x030f00f0"]);
    let (_folder, driver) = installed_driver();
    let traced = compare(&driver, &CLIENT, "load by:libpython-new.so init retain:0", "");
    let lines = json!([
        {"file": "/home/Jörg/a, line 7.py", "line": 12, "function": "helper"},
        {"file": "<string>", "line": null, "function": "<module>"},
    ]);
    let retain = pick(&traced.retains(), "python python_complete");
    assert_eq!(retain, json!([[lines, true]]));
}

/// The order of constructors follows from dependencies, which a plugin may not state.
#[test]
fn a_constructor_may_call_before_the_loader_has_run_the_witness_s_own() {
    let (_folder, driver) = small_driver();
    let plugin = library("libplugin.so", &["-DPLUGIN"]);
    let (driver_path, plugin) = (driver.to_str().unwrap(), plugin.to_str().unwrap());
    let program = client("with-plugin", &["-Wl,--no-as-needed", driver_path, plugin]);
    let traced = compare(&driver, &program, "symbols x@12030@3", "");
    assert_eq!(traced.calls("cuInit")[0]["library"], "libplugin.so");
    // What cuGetProcAddress is given is handed on: flags 3, version 12030, and a name.
    assert_eq!(traced.stdout, "early 0\nx@12030@3 120000 0x300002efe\n");
}

#[test]
fn a_context_for_opengl_is_an_ordinary_one() {
    let (_folder, driver) = small_driver();
    let traced = compare(&driver, &CLIENT, "init create-gl:1 create-gl:7", "");
    assert_eq!(traced.stdout, "create-gl returned 101\n");
    let calls = pick(&traced.calls("cuGLCtxCreate_v2"), "created handle kind");
    assert_eq!(calls, json!([[true, 1, "ordinary"], [false, 7, null]]));
    let one = json!([{"library": "client", "kind": "ordinary", "count": 1}]);
    assert_eq!(traced.end()["devices"][0]["contexts"], one);
}
