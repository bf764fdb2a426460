//! Programs that the witness could change, each with it and without: the same output, the same status.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::arena::{ALL, Arena, Settings};
use crate::traced::{CLIENT, compile, compile_source, library};
use cuda_contexts::arena::Arena as Reader;
use cuda_contexts::record::Holding;
use simulated_libcuda::Simulator;
use tempfile::TempDir;

/// How long a program may take, in seconds.
const LIMIT: &str = "20";

/// The version of `dlsym` that a hook asks for.
const OLDEST: &str =
    if cfg!(target_arch = "x86_64") { "-DHOOK=\"GLIBC_2.2.5\"" } else { "-DHOOK=\"GLIBC_2.17\"" };

/// Runs a program with the witness before this driver and without, and compares. Returns what it said
/// and what was recorded.
fn compare(driver: &Path, program: &Path, words: &str, preload: Option<&Path>) -> (String, Arena) {
    let folder = TempDir::new().unwrap();
    cuda_contexts::witness::lay_out(folder.path(), driver).unwrap();
    let events = folder.path().join("events");
    let settings = Settings { stack: ALL, ..Settings::default() };
    let mut reader = Reader::create(&events, settings).unwrap();
    let libraries = program.parent().unwrap();
    let run = |before: &Path| -> Output {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", LIMIT]).arg(program).args(words.split_whitespace());
        command.env("LD_LIBRARY_PATH", env::join_paths([before, libraries]).unwrap());
        command.env("CUDA_CONTEXTS_ARENA", &events);
        preload.map(|library| command.env("LD_PRELOAD", library));
        command.output().unwrap()
    };
    let (with, without) = (run(folder.path()), run(driver.parent().unwrap()));
    let said = String::from_utf8(without.stdout).unwrap();
    assert_eq!(without.status.code(), Some(0), "{words} alone: {said}");
    assert_eq!(String::from_utf8_lossy(&with.stdout), said, "{words}");
    assert_eq!(with.status.code(), Some(0), "{words}: {:?}", with.status);
    (said, Arena::new(&reader.read(true), reader.lost()))
}

#[test]
fn an_interpreter_may_be_unloaded_before_the_driver_is_called() {
    library("libgone.so", &["-DPYTHON=0x030b00f0"]);
    let simulator = Simulator::builder().command("true");
    let words = "by libgone.so reopen 0 unload libgone.so init retain 0";
    let (said, arena) = compare(simulator.path(), &CLIENT, words, None);
    assert_eq!(said, "reopen 0\nunload 0\ninit 0\nretain 0\n");
    assert_eq!(arena.processes[0].python, Some((3, 11)), "it was seen");
}

#[test]
fn programs_in_harsh_conditions_run_alike() {
    let simulator = Simulator::builder().command("true");
    for (words, last, calls) in [
        ("init small-stack 0", "small-stack 1", 3),
        ("little-memory init retain 0 allocate", "allocate 1", 2),
        // Every system call but write and exit kills, and so does the processor's clock.
        ("init retain 0 retain 0 seccomp 0", "seccomp 0 0 0", 7),
    ] {
        let (said, arena) = compare(simulator.path(), &CLIENT, words, None);
        assert_eq!((said.lines().last(), arena.calls.len()), (Some(last), calls), "{words}");
        assert!(arena.calls.iter().all(|call| call.result.is_some()), "{words}");
    }
}

/// While the driver is opened, and while a forked child calls it. The driver itself must not notice.
#[test]
fn a_pending_cancellation_stays_pending() {
    let folder = TempDir::new().unwrap();
    let driver = fake_driver(folder.path());
    for (words, calls) in [("cancelled", 0), ("reopen 0 fork cancelled end", 2)] {
        let (said, arena) = compare(&driver, &CLIENT, words, None);
        assert!(said.contains("cancelled 1\n"), "{words}: {said}");
        assert_eq!(arena.calls.len(), calls, "{words}");
    }
}

#[test]
fn a_preloaded_library_that_hooks_dlsym_is_no_circle() {
    let hook = library("hook.so", &[OLDEST]);
    let simulator = Simulator::builder().command("true");
    let (said, arena) = compare(simulator.path(), &CLIENT, "init retain 0", Some(&hook));
    assert_eq!(said, "init 0\nretain 0\n");
    assert_eq!(arena.of("cuInit")[0].library(), "hook.so");
}

/// Since 3.15 the interpreter writes its own stack.
#[test]
fn the_lines_that_an_interpreter_writes_are_read_back() {
    library("libpython-new.so", &["-DPYTHON=0x030f00f0"]);
    let simulator = Simulator::builder().command("true");
    let (_, arena) = compare(simulator.path(), &CLIENT, "by libpython-new.so init", None);
    let line = |file: &str, line, function: &str| (file.to_owned(), line, function.to_owned());
    let lines = [line("/home/Jörg/a, line 7.py", 12, "helper"), line("<string>", -1, "<module>")];
    let init = arena.of("cuInit")[0];
    assert_eq!((init.lines(), init.python_failed), (lines.to_vec(), false));
}

fn fake_driver(folder: &Path) -> PathBuf {
    let library = compile_source(
        "fake_driver.c",
        "fake.so",
        &["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"],
    );
    let driver = folder.join("libcuda.so.1");
    std::fs::copy(library, &driver).unwrap();
    driver
}

/// The order of constructors follows from dependencies, which a plugin may not state.
#[test]
fn a_constructor_may_call_before_the_loader_has_run_the_witness_s_own() {
    let folder = TempDir::new().unwrap();
    let driver = fake_driver(folder.path());
    let plugin = library("libplugin.so", &["-DPLUGIN"]);
    let (driver_path, plugin) = (driver.to_str().unwrap(), plugin.to_str().unwrap());
    let linked = ["-Wl,--no-as-needed", driver_path, plugin];
    let (said, arena) = compare(&driver, &compile("with-plugin", &linked), "flags", None);
    assert!(said.starts_with("early 0\n"), "{said}");
    assert_eq!(arena.of("cuInit")[0].library(), "libplugin.so");
}

#[test]
fn what_cu_get_proc_address_is_given_is_handed_on() {
    let folder = TempDir::new().unwrap();
    let driver = fake_driver(folder.path());
    let (said, _) = compare(&driver, &CLIENT, "flags", None);
    assert_eq!(said.lines().last(), Some("0 0x300002efe 120"), "flags 3, version 12030");
}

#[test]
fn a_context_for_opengl_is_an_ordinary_one() {
    let folder = TempDir::new().unwrap();
    let (said, arena) =
        compare(&fake_driver(folder.path()), &CLIENT, "init create-gl 1 create-gl 7", None);
    assert_eq!(said, "init 0\ncreate-gl 0\ncreate-gl 101\n");
    let [made, refused] = arena.of("cuGLCtxCreate_v2")[..] else { panic!("{arena:?}") };
    let one = Some((Holding::OrdinaryContext, 1));
    assert_eq!((made.created, made.device, made.contexts()), (true, Some(1), one));
    assert_eq!((refused.created, refused.contexts()), (false, None));
}
