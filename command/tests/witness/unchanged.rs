//! Programs that the witness could change, each with it and without: the same output, the same status.

use std::env;
use std::path::Path;
use std::process::{Command, Output};

use cuda_contexts::record::Holding;

use crate::arena::{ALL, Arena};
use crate::limit;
use crate::programs::{CLIENT, client, installed_driver, library, small_driver};
use crate::traced::Witness;

/// The version of `dlsym` that a hook asks for.
const OLDEST: &str =
    if cfg!(target_arch = "x86_64") { "-DHOOK=\"GLIBC_2.2.5\"" } else { "-DHOOK=\"GLIBC_2.17\"" };

/// Runs a program with the witness before this driver and without, and compares. Returns what it printed
/// and what was recorded.
fn compare(driver: &Path, program: &Path, words: &str, preload: &str) -> (String, Arena) {
    let witness = Witness::before(driver, &ALL);
    let libraries = program.parent().unwrap();
    let run = |before: &Path| -> Output {
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).env("LD_PRELOAD", preload);
        command.env("LD_LIBRARY_PATH", env::join_paths([before, libraries]).unwrap());
        command.env("CUDA_CONTEXTS_ARENA", witness.folder.path().join("arena"));
        limit::output(&mut command)
    };
    let (with, without) = (run(witness.folder.path()), run(driver.parent().unwrap()));
    let printed = String::from_utf8(without.stdout).unwrap();
    assert_eq!(without.status.code(), Some(0), "{words} alone: {printed}");
    assert_eq!(String::from_utf8_lossy(&with.stdout), printed, "{words}");
    assert_eq!(with.status.code(), Some(0), "{words}: {:?}", with.status);
    (printed, witness.arena(true))
}

#[test]
fn programs_in_harsh_conditions_run_alike() {
    let (_folder, driver) = installed_driver();
    for (words, expected, calls) in [
        ("init small-stack", "", 3),
        // Every system call but write and exit kills, and so does the processor's clock.
        ("init retain:0 seccomp", "seccomp 0\n", 6),
    ] {
        let (printed, arena) = compare(&driver, &CLIENT, words, "");
        assert_eq!((&*printed, arena.calls.len()), (expected, calls), "{words}");
        assert!(arena.calls.iter().all(|call| call.result == Some(0)), "{words}");
    }
}

/// While the driver is opened, and while a forked child calls it. The driver itself must not notice.
#[test]
fn a_pending_cancellation_stays_pending() {
    let (_folder, driver) = small_driver();
    for (words, calls) in [("cancelled", 0), ("load fork cancelled end", 2)] {
        let (printed, arena) = compare(&driver, &CLIENT, words, "");
        assert_eq!((&*printed, arena.calls.len()), ("", calls), "{words}");
    }
}

#[test]
fn a_preloaded_library_that_hooks_dlsym_is_no_circle() {
    let hook = library("hook.so", &[OLDEST]);
    let (_folder, driver) = installed_driver();
    let (_, arena) = compare(&driver, &CLIENT, "init retain:0", hook.to_str().unwrap());
    assert_eq!(arena.of("cuInit")[0].library(), "hook.so");
}

#[test]
fn an_interpreter_may_be_unloaded_before_the_driver_is_called() {
    library("libgone.so", &["-DPYTHON=0x030b00f0"]);
    let (_folder, driver) = installed_driver();
    let words = "by:libgone.so load unload:libgone.so init retain:0";
    let (printed, arena) = compare(&driver, &CLIENT, words, "");
    assert_eq!(printed, "");
    assert_eq!(arena.processes[0].python, Some((3, 11)), "it was seen");
}

/// Since 3.15 the interpreter writes its own stack.
#[test]
fn the_lines_that_an_interpreter_writes_are_read_back() {
    library("libpython-new.so", &["-DPYTHON=0x030f00f0"]);
    let (_folder, driver) = installed_driver();
    let (_, arena) = compare(&driver, &CLIENT, "by:libpython-new.so init", "");
    let line = |file: &str, line, function: &str| (file.to_owned(), line, function.to_owned());
    let lines = [line("/home/Jörg/a, line 7.py", 12, "helper"), line("<string>", -1, "<module>")];
    let init = arena.of("cuInit")[0];
    assert_eq!((init.lines(), init.python_failed), (lines.to_vec(), false));
}

/// The order of constructors follows from dependencies, which a plugin may not state.
#[test]
fn a_constructor_may_call_before_the_loader_has_run_the_witness_s_own() {
    let (_folder, driver) = small_driver();
    let plugin = library("libplugin.so", &["-DPLUGIN"]);
    let (driver_path, plugin) = (driver.to_str().unwrap(), plugin.to_str().unwrap());
    let program = client("with-plugin", &["-Wl,--no-as-needed", driver_path, plugin]);
    let (printed, arena) = compare(&driver, &program, "symbols x@12030@3", "");
    assert!(printed.starts_with("early 0\n"), "{printed}");
    assert_eq!(arena.of("cuInit")[0].library(), "libplugin.so");
    // What cuGetProcAddress is given is handed on: flags 3, version 12030, and a name.
    assert_eq!(printed.lines().last(), Some("x@12030@3 120000 0x300002efe"));
}

#[test]
fn a_context_for_opengl_is_an_ordinary_one() {
    let (_folder, driver) = small_driver();
    let (printed, arena) = compare(&driver, &CLIENT, "init create-gl:1 create-gl:7", "");
    assert_eq!(printed, "create-gl returned 101\n");
    let [made, refused] = arena.of("cuGLCtxCreate_v2")[..] else { panic!("{arena:?}") };
    let one = Some((Holding::OrdinaryContext, 1));
    assert_eq!((made.created, made.device, made.contexts()), (true, Some(1), one));
    assert_eq!((refused.created, refused.contexts()), (false, None));
}
