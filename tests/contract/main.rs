//! The contract: what the crate counts on a CUDA driver to do, checked on several drivers.
//!
//! One body of checks runs unchanged on the simulator, on the simulator without a device, and on
//! NVIDIA's own libcuda if one is named, with a GPU or without:
//!
//! ```text
//! CUDA_PRIMARY_CONTEXT_TEST_DRIVER=/path/to/libcuda.so.1 cargo test --test contract
//! ```
//!
//! A check asks the driver questions, each with the result that is expected: what NVIDIA documents,
//! or what driver 580 was seen to return on an H200 and H100s. A driver that returns something else is listed in
//! `differences.txt` with the reason. A difference that is not listed fails, and so does an
//! entry that no longer differs. Every check runs in a process of its own.
//!
//! A check that needs a device, or a second one, or a function that is not there is skipped. Each driver
//! has a line with what ran, was skipped and differed.

#[path = "../support/mod.rs"]
mod support;

mod before_init;
mod counting;
mod dead_contexts;
mod devices;
mod differences;
mod end_of_process;
mod flags_and_reset;
mod fork;
mod green_contexts;
mod machine;
mod questions;
mod safe_layer;
mod sequences;
mod stray_release;
mod symbols;

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::Command;

use differences::{Differences, compare};
use machine::{Kind, Machine, Needs, Probe};
use questions::{Observation, Questions};
use support::processes::again;
use support::skips::{say, skip};

/// A driver library that the suite runs on beside the simulator.
const TEST_DRIVER: &str = "CUDA_PRIMARY_CONTEXT_TEST_DRIVER";

/// Names the check that a process of a test runs.
const CHECK: &str = "CONTRACT_CHECK";

/// How long a check may take: a context on a real device takes a tenth of a second to make.
const PATIENCE_SECONDS: u32 = 60;

/// One check: its name, what it needs, and its body.
type Check = (&'static str, Needs, fn(&Machine, &Questions));

/// For the checks that need green contexts.
const GREEN: bool = true;

macro_rules! checks {
    ($($module:ident { $($check:ident: $devices:literal $(+ $green:ident)?,)* })*) => {
        const CHECKS: &[Check] = &[
            $($((
                concat!(stringify!($module), "::", stringify!($check)),
                Needs { devices: $devices, green_contexts: false $(| $green)? },
                $module::$check,
            ),)*)*
        ];
    };
}

checks! {
    before_init {
        calls: 0,
        versions_and_error_texts: 0,
        init: 0,
        no_visible_device: 0,
    }
    symbols {
        generations: 0,
        versioned_look_up: 0,
        error_names: 0,
    }
    fork {
        child_before_init: 0,
        child_of_a_failed_init: 0,
        child_of_an_init_with_flags: 1,
        release_too_many_in_such_a_child: 1,
        child_after_init: 1,
    }
    devices {
        enumeration: 1,
        identity: 1,
        unknown_devices: 1,
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
        stack: 1,
        revival: 1,
        other_threads: 1,
        after_a_reset: 1,
        never_active: 1,
        version_of_a_primary_context: 1,
        version_of_an_ordinary_context: 1,
        ordinary_context_outlives_the_primary: 1,
    }
    green_contexts {
        create_destroy: 1 + GREEN,
        create_release_destroy: 1 + GREEN,
        release_while_active_returns_201: 1 + GREEN,
        retain_create_release_release_destroy: 1 + GREEN,
        two_green_contexts: 1 + GREEN,
        two_green_contexts_and_two_releases: 1 + GREEN,
        a_retain_undoes_it: 1 + GREEN,
        a_retain_and_a_release_repair_it_later: 1 + GREEN,
        a_reset_repairs_it_later: 1 + GREEN,
    }
    end_of_process {
        exit_handlers: 1,
        thread_locals: 1,
    }
    safe_layer {
        one_reference: 1,
        stolen_reference: 1,
        adopted_and_leaked: 1,
        references_of_others: 2,
        current_context_is_left: 2,
        held_and_kept_devices: 2,
    }
    stray_release {
        held_by_a_green_context: 1 + GREEN,
        references_and_a_green_context: 1 + GREEN,
        release_of_a_handle_beside_a_green_context: 1 + GREEN,
        refused_release_of_an_active_context: 1 + GREEN,
        current_context_after_a_run: 1,
    }
}

#[test]
fn simulator() {
    run("simulator", Kind::Simulated { devices: 3 });
}

#[test]
fn simulator_without_a_device() {
    run("simulator_without_a_device", Kind::Simulated { devices: 0 });
}

#[test]
fn nvidia_driver() {
    if let Some(path) = env::var_os(TEST_DRIVER) {
        return run("nvidia_driver", Kind::Library(PathBuf::from(path)));
    }
    let reason = format!("{} checks: {TEST_DRIVER} names none", CHECKS.len());
    skip("driver", "the contract on NVIDIA's libcuda", &reason);
}

/// Every entry is about a check that there is.
#[test]
fn differences_are_about_checks_of_the_suite() {
    for entry in Differences::read().entries() {
        let is_there = CHECKS.iter().any(|(name, ..)| *name == entry.check);
        assert!(is_there, "{}: there is no check {}", entry.line, entry.check);
    }
}

fn run(test: &str, kind: Kind) {
    if let Ok(wanted) = env::var(CHECK) {
        return run_one(&wanted, kind);
    }
    // A simulator has the devices that it is given, whatever CUDA_VISIBLE_DEVICES says.
    let simulated = matches!(kind, Kind::Simulated { .. });
    let prepare = |command: &mut Command| {
        if simulated {
            command.env_remove("CUDA_VISIBLE_DEVICES");
        }
    };
    let probe = in_own_process(test, "probe", prepare);
    let probe = Probe::read(&probe.unwrap_or_else(|reason| panic!("no driver loads: {reason}")));
    let differences = Differences::read();
    let mut listed = differences.of(&probe);
    let (mut ran, mut differed) = (0, 0);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for (check, needs, _) in CHECKS {
        if let Some(reason) = probe.lacks(needs) {
            *reasons.entry(reason).or_default() += 1;
            continue;
        }
        match in_own_process(test, check, prepare) {
            Err(reason) => failures.push(format!("{check}: {reason}")),
            Ok(output) => {
                let seen = Observation::read(&output);
                assert!(!seen.is_empty(), "{check} has no question");
                let entries = listed.remove(check).unwrap_or_default();
                let (differing, unexpected) = compare(check, seen, entries);
                ran += 1;
                differed += usize::from(differing > 0);
                failures.extend(unexpected);
            }
        }
    }
    say(&format!("contract on {probe}: {ran} checks ran, {differed} differed as listed"));
    for (reason, checks) in reasons {
        say(&format!("skipped: contract on {probe}: {checks} checks: {reason}"));
    }
    assert!(failures.is_empty(), "{probe}:\n{}", failures.join("\n"));
}

/// Runs this test again for one check: a crash is a result, and what it leaves behind harms no other. Returns
/// what it wrote to standard error, or why it failed.
fn in_own_process(
    test: &str,
    check: &str,
    prepare: impl FnOnce(&mut Command),
) -> Result<String, String> {
    let mut command = again(test);
    prepare(command.env(CHECK, check));
    let output = command.output().expect("the test program runs again");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(format!("its process ended with {}\n{said}", output.status)),
    }
}

fn run_one(check: &str, kind: Kind) {
    // SAFETY: no preconditions; the signal ends this process if a call hangs.
    unsafe { libc::alarm(PATIENCE_SECONDS) };
    let machine = Machine::new(kind);
    if check == "probe" {
        return machine.probe();
    }
    let (.., body) = CHECKS.iter().find(|(name, ..)| *name == check).expect("a check of the suite");
    body(&machine, &Questions::default());
}
