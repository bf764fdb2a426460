//! The example that suspends and resumes processes, as its users meet it, on a simulated machine.

use std::process::Output;

use serde_json::Value;

use crate::support::examples::{command, is_refused, object, text};
use crate::support::targets::{Child, SharedMachine};
use crate::{LIMIT, targets};

/// The example on the machine's driver.
fn run(machine: &SharedMachine, arguments: &[&str]) -> Output {
    let mut command = command("checkpoint", arguments);
    command.arg("--driver").arg(machine.simulator.path());
    command.env("SIMULATED_CUDA_MACHINE", machine.file()).env("SIMULATED_CUDA_DEVICES", "2");
    command.output().unwrap()
}

fn pid(target: &Child) -> String {
    target.pid().to_string()
}

fn steps(process: &Value) -> Vec<&str> {
    let steps = process["steps"].as_array().unwrap().iter();
    steps.map(|step| step["step"].as_str().unwrap()).collect()
}

#[test]
fn two_processes_are_suspended_and_resumed() {
    let machine = SharedMachine::new();
    let (mut targets, pids) = targets::<2>(&machine);
    let pids = pids.map(|pid| pid.to_string());
    for (action, state, expected) in [
        ("suspend", "checkpointed", ["lock", "checkpoint"]),
        ("resume", "running", ["restore", "unlock"]),
    ] {
        let action = format!("--{action}");
        let arguments =
            [&action, "--pid", &pids[0], "--pid", &pids[1], "--at-once", "1", "--force", "--json"];
        let report = object(&run(&machine, &arguments), 0);
        assert_eq!((&report["action"], &report["error"]), (&action[2..].into(), &Value::Null));
        for (process, target) in report["processes"].as_array().unwrap().iter().zip(&targets) {
            assert_eq!((&process["pid"], &process["state"]), (&target.pid().into(), &state.into()));
            assert_eq!(steps(process), expected);
            assert!(process["steps"][1]["milliseconds"].as_f64().unwrap() >= 0.0);
        }
    }
    assert!(targets.iter_mut().all(|target| target.ask() == 1));

    let output = run(&machine, &["--suspend", "--pid", &pids[0]]);
    let line = text(&output.stdout);
    assert!(line.starts_with(&format!("process  {}  checkpointed  lock 0.", pids[0])), "{line}");
    // A line for every step, and no bar if nobody sees it.
    let steps = text(&output.stderr).lines().filter(|line| line.starts_with("process "));
    let steps = steps.map(|line| line.split([':', ',']).nth(1).unwrap().trim());
    assert_eq!(steps.collect::<Vec<_>>(), ["lock", "checkpoint"]);
}

#[test]
fn suspended_by_one_run_and_resumed_by_another() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let pid = pid(&target);
    let report = object(&run(&machine, &["--suspend", "--pid", &pid, "--json"]), 0);
    assert_eq!(report["processes"][0]["state"], "checkpointed");
    assert_eq!(machine.state(target.pid()), 2);
    let state = object(&run(&machine, &["--state", "--pid", &pid, "--json"]), 0);
    assert_eq!(state["processes"][0]["state"], "checkpointed");
    // Once more: it is not running.
    let report = object(&run(&machine, &["--suspend", "--pid", &pid, "--json"]), 1);
    assert_eq!(report["error"]["code"], 401);
    assert_eq!(report["processes"][0]["state"], "checkpointed");
    // Without a number or a word nobody knows whether there is room.
    let error = object(&run(&machine, &["--resume", "--pid", &pid, "--json"]), 3);
    assert_eq!(error["error"]["kind"], "room_unknown");
    assert!(error["error"]["message"].as_str().unwrap().contains("--needs"), "{error}");
    let report = object(&run(&machine, &["--resume", "--pid", &pid, "--force", "--json"]), 0);
    assert_eq!(steps(&report["processes"][0]), ["restore", "unlock"]);
    assert_eq!((machine.state(target.pid()), target.ask()), (0, 1));
    // What a dead controller left locked is unlocked.
    std::mem::forget(machine.open(target.pid()).unwrap().lock(LIMIT).unwrap());
    let report = object(&run(&machine, &["--resume", "--pid", &pid, "--force", "--json"]), 0);
    assert_eq!(report["processes"][0]["state"], "running");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let machine = SharedMachine::new();
    let gpu = "GPU-01234567-89ab-cdef-0123-456789abcdef";
    let (pair, bytes) = (format!("{gpu}={gpu}"), format!("{gpu}=1"));
    for (arguments, words) in [
        (&["--pid", "1"][..], "one action is required"),
        (&["--suspend", "--pid", "1", "--map", &pair], "--map can only be used with --resume"),
        (&["--state", "--pid", "1", "--needs", &bytes], "--needs can only be used with --resume"),
    ] {
        let output = run(&machine, &[arguments, &["--json"]].concat());
        is_refused(&output, words);
    }
}
