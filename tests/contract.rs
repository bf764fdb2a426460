//! The contract: what the crate counts on a CUDA driver to do, asked of several drivers.
//!
//! One body of checks runs unchanged on the simulator, on the simulator without a device, and on
//! NVIDIA's own libcuda where one is named, with a GPU or without:
//!
//! ```text
//! CUDA_PRIMARY_CONTEXT_TEST_DRIVER=/path/to/libcuda.so.1 cargo test --test contract
//! ```
//!
//! A check asks the driver questions, each with the answer that is expected: what NVIDIA documents,
//! or what driver 580 was seen to answer on an H200. A driver that answers otherwise is listed in
//! `contract/differences.txt` with the reason. A difference that is not listed fails, and so does an
//! entry that no longer differs. Every check runs in a process of its own.

mod support;

mod contract {
    pub mod before_init;
    pub mod counting;
    pub mod dead_contexts;
    pub mod devices;
    pub mod differences;
    pub mod end_of_process;
    pub mod flags_and_reset;
    pub mod fork;
    pub mod library;
    pub mod machine;
    pub mod questions;
    pub mod safe_layer;
    pub mod symbols;
}

use std::collections::BTreeMap;
use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use contract::differences::Differences;
use contract::machine::{Kind, Machine, Probe};
use contract::questions::{Answered, Questions};
use contract::{
    before_init, counting, dead_contexts, devices, end_of_process, flags_and_reset, fork,
    safe_layer, symbols,
};

/// A driver library that the suite runs on beside the simulator.
const TEST_DRIVER: &str = "CUDA_PRIMARY_CONTEXT_TEST_DRIVER";
/// Names, separated by commas, what a test run must have.
const REQUIRE: &str = "CUDA_PRIMARY_CONTEXT_REQUIRE";
/// Tells a process of this test which check it runs.
const CHECK: &str = "CONTRACT_CHECK";

/// How long a check may take: a context on a real device takes a tenth of a second to make.
const PATIENCE: Duration = Duration::from_secs(60);

/// One check: its name, how many devices it needs, and its body.
type Check = (&'static str, u32, fn(&Machine, &Questions));

macro_rules! checks {
    ($($module:ident { $($check:ident: $devices:literal,)* })*) => {
        const CHECKS: &[Check] = &[
            $($((concat!(stringify!($module), "::", stringify!($check)), $devices, $module::$check),)*)*
        ];
    };
}

checks! {
    before_init {
        calls: 0,
        versions_and_error_texts: 0,
        init: 0,
        no_visible_device: 0,
        safe_layer_without_a_device: 0,
    }
    symbols {
        generations: 0,
        versioned_look_up: 0,
        look_up_equals_dlsym: 0,
        error_names: 0,
    }
    fork {
        child_before_init: 0,
        child_of_a_failed_init: 0,
        child_after_init: 1,
        handles_in_a_child: 1,
    }
    devices {
        enumeration: 1,
        identity: 1,
        unknown_devices: 1,
        null_pointers: 1,
        looking_creates_nothing: 1,
    }
    counting {
        releases_end_with_the_references: 1,
        releases_of_the_first_generation: 1,
        generations_share_the_count: 1,
        retain_and_the_stack: 1,
        many_threads: 1,
        ordinary_contexts: 1,
        destroying_a_primary_context: 1,
        devices_are_counted_apart: 2,
    }
    flags_and_reset {
        flags_of_the_second_generation: 1,
        flags_of_the_first_generation: 1,
        flags_and_the_reset: 1,
        reset_of_the_second_generation: 1,
        reset_of_the_first_generation: 1,
    }
    dead_contexts {
        what_is_current: 1,
        questions_about_it: 1,
        work_in_it: 1,
        objects_of_a_former_life: 1,
        stack: 1,
        revival: 1,
        other_threads: 1,
        after_a_reset: 1,
        never_active: 1,
    }
    end_of_process {
        exit_handlers: 1,
        thread_locals: 1,
    }
    safe_layer {
        one_reference: 1,
        stolen_reference: 1,
        adopted_and_leaked: 1,
        retain_only_alone: 1,
        raw_functions: 1,
        current_scope: 1,
        foreign_references: 2,
        current_context_is_left: 2,
        held_and_kept_devices: 2,
    }
}

#[test]
fn simulator() {
    run("simulator", Kind::Simulated { devices: 3 });
}

#[test]
fn simulator_with_one_device() {
    run("simulator_with_one_device", Kind::Simulated { devices: 1 });
}

#[test]
fn simulator_without_a_device() {
    run("simulator_without_a_device", Kind::Simulated { devices: 0 });
}

#[test]
fn nvidia_driver() {
    match env::var_os(TEST_DRIVER) {
        Some(path) => run("nvidia_driver", Kind::Library(PathBuf::from(path))),
        None => {
            let required = env::var(REQUIRE).unwrap_or_default();
            let required = required.split(',').any(|name| name.trim() == "driver");
            assert!(!required, "{REQUIRE} names driver, and {TEST_DRIVER} names none");
            say(&format!("skipped: {TEST_DRIVER} names no driver library"));
        }
    }
}

/// Every entry is about a check that there is.
#[test]
fn differences_are_about_checks_of_the_suite() {
    for entry in Differences::read().entries() {
        assert!(
            CHECKS.iter().any(|(name, ..)| *name == entry.check),
            "{}: there is no check {}",
            entry.line,
            entry.check
        );
    }
}

fn run(test: &str, kind: Kind) {
    if let Some(wanted) = env::var_os(CHECK) {
        return run_one(wanted.to_str().expect("a check's name"), kind);
    }
    let probe = Probe::read(&in_own_process(test, "probe").expect("the driver can be probed"));
    let differences = Differences::read();
    let mut listed = differences.of(&probe);
    let (mut answers, mut differing, mut skipped) = (0, 0, 0);
    let mut failures = Vec::new();
    for (check, needs, _) in CHECKS {
        if *needs > probe.devices {
            skipped += 1;
            continue;
        }
        let seen = match in_own_process(test, check) {
            Ok(output) => Answered::read(&output),
            Err(reason) => {
                failures.push(format!("{check}: {reason}"));
                continue;
            }
        };
        assert!(!seen.is_empty(), "{check} asked nothing");
        answers += seen.len();
        let mut entries = listed.remove(check).unwrap_or_default();
        for Answered { question, expected, answer } in seen {
            match (entries.remove(question.as_str()), answer == expected) {
                (None, true) => {}
                (Some(entry), false) if entry.answer == answer => differing += 1,
                (Some(entry), false) => failures.push(format!(
                    "{check}: {question}: {answer}, where {expected} was expected and {} is listed",
                    entry.answer
                )),
                (None, false) => failures
                    .push(format!("{check}: {question}: {answer}, where {expected} was expected")),
                (Some(entry), true) => failures.push(format!(
                    "{check}: {question}: {answer} as expected: the entry in {} is stale",
                    entry.line
                )),
            }
        }
        failures.extend(entries.values().map(|entry| {
            format!("{check}: {}: no such question: the entry in {}", entry.question, entry.line)
        }));
    }
    say(&format!(
        "contract on {probe}: {} checks, {answers} answers, {differing} listed differences",
        CHECKS.len() - skipped,
    ));
    if skipped > 0 {
        let why = match probe.devices {
            0 => "which need a device: cuInit answers 100",
            _ => "which need two devices: there is one",
        };
        say(&format!("skipped on {probe}: {skipped} checks, {why}"));
    }
    assert!(failures.is_empty(), "{probe}:\n{}", failures.join("\n"));
}

fn run_one(check: &str, kind: Kind) {
    let machine = Machine::new(kind);
    if check == "probe" {
        return machine.probe();
    }
    let (.., body) = CHECKS.iter().find(|(name, ..)| *name == check).expect("a check of the suite");
    body(&machine, &Questions::default());
}

/// Runs this test again for one check; what it wrote to standard error, or why it failed.
fn in_own_process(test: &str, check: &str) -> Result<String, String> {
    let child = Command::new(env::current_exe().expect("the test binary has a path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHECK, check)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test binary runs again");
    let process = child.id() as libc::pid_t;
    let (ended, has_ended) = mpsc::channel();
    let waiting = thread::spawn(move || {
        let output = child.wait_with_output();
        // A time-out may have come first.
        let _ = ended.send(());
        output
    });
    let hung = has_ended.recv_timeout(PATIENCE).is_err();
    if hung {
        // SAFETY: the process is this one's child, and not waited for yet.
        unsafe { libc::kill(process, libc::SIGKILL) };
    }
    let output = waiting.join().expect("no panic").expect("the process can be waited for");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(said),
        false if hung => Err(format!("its process hung\n{said}")),
        false => Err(format!("its process ended with {}\n{said}", output.status)),
    }
}

/// Past the test harness, which shows what a passing test prints only when asked to.
fn say(line: &str) {
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The entries for one driver, by check and question.
type Listed<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a contract::differences::Entry>>;
