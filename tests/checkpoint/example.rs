//! The example that suspends and resumes processes, as its users meet it, on a simulated machine.

use std::process::{Command, Output};

use serde_json::Value;
use simulated_libcuda::Knob;

use crate::support::examples::example;
use crate::support::skips;
use crate::support::targets::{Child, SharedMachine};
use crate::{LIMIT, targets};

/// The example on the machine's driver, with nothing else in its environment that it reads.
fn command(machine: &SharedMachine, arguments: &[&str]) -> Command {
    let mut command = Command::new(example("checkpoint"));
    command.args(["--driver", machine.simulator.path().to_str().unwrap()]).args(arguments);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CUDA_") || name.starts_with("SIMULATED_CUDA_") {
            command.env_remove(&*name);
        }
    }
    command.env("SIMULATED_CUDA_MACHINE", machine.file()).env("SIMULATED_CUDA_DEVICES", "2");
    command
}

fn run(machine: &SharedMachine, arguments: &[&str]) -> Output {
    command(machine, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The one object that a run with `--json` prints, after the check of its exit status.
#[track_caller]
fn object(output: &Output, status: i32) -> Value {
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{errors}{}", text(&output.stdout));
    let lines = text(&output.stdout);
    assert!(lines.ends_with('\n') && lines.lines().count() == 1, "one line: {lines}");
    serde_json::from_str(lines).unwrap()
}

fn pid(target: &Child) -> String {
    target.pid().to_string()
}

fn steps(process: &Value) -> Vec<&str> {
    let steps = process["steps"].as_array().unwrap().iter();
    steps.map(|step| step["step"].as_str().unwrap()).collect()
}

#[test]
fn a_cycle_of_two_processes() {
    let machine = SharedMachine::new();
    let (mut targets, pids) = targets::<2>(&machine);
    let pids = pids.map(|pid| pid.to_string());
    let arguments =
        ["--cycle", "--pid", &pids[0], "--pid", &pids[1], "--at-once", "1", "--force", "--json"];
    let report = object(&run(&machine, &arguments), 0);
    assert_eq!((&report["action"], &report["error"]), (&"cycle".into(), &Value::Null));
    for (process, target) in report["processes"].as_array().unwrap().iter().zip(&targets) {
        assert_eq!(process["pid"], target.pid());
        assert_eq!(process["state"], "running");
        assert_eq!(steps(process), ["lock", "checkpoint", "restore", "unlock"]);
        assert!(process["steps"][1]["milliseconds"].as_f64().unwrap() >= 0.0);
        let resident = &process["resident"];
        assert!(resident["before"].as_u64().unwrap() > 0, "{resident}");
        assert!(resident["suspended"].as_u64().is_some() && resident["after"].as_u64().is_some());
    }
    assert!(report["available"]["before"].as_u64().is_some());
    assert!(targets.iter_mut().all(|target| target.ask(b'q') == 1));

    let arguments = ["--cycle", "--pid", &pids[0], "--force"];
    let output = run(&machine, &arguments);
    let line = text(&output.stdout);
    assert!(line.starts_with(&format!("process  {}  running  lock 0.", pids[0])), "{line}");
    assert!(line.contains("MiB more in the host while suspended"), "{line}");
    // A line for every step, and no bar if nobody sees it.
    let lines: Vec<&str> = text(&output.stderr).lines().collect();
    for (line, step) in lines.iter().zip(["lock", "checkpoint", "restore", "unlock"]) {
        let seconds = line.strip_prefix(&format!("process {}: {step}, ", pids[0])).expect(line);
        seconds.strip_suffix(" s").expect(line).parse::<f64>().expect(line);
    }
    assert_eq!(lines.len(), 4);
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
    assert_eq!((machine.state(target.pid()), target.ask(b'q')), (0, 1));
    let report = object(&run(&machine, &["--resume", "--pid", &pid, "--force", "--json"]), 0);
    assert_eq!(steps(&report["processes"][0]), [] as [&str; 0], "it runs already");
    // What a dead controller left locked is unlocked.
    std::mem::forget(machine.open(target.pid()).unwrap().lock(LIMIT).unwrap());
    let report = object(&run(&machine, &["--resume", "--pid", &pid, "--force", "--json"]), 0);
    assert_eq!(report["processes"][0]["state"], "running");
}

#[test]
fn a_failure_is_reported_and_undone() {
    let machine = SharedMachine::new();
    let (mut targets, pids) = targets::<2>(&machine);
    machine.simulator.set_managed_memory(pids[1], true);
    let pids = pids.map(|pid| pid.to_string());
    let arguments = ["--cycle", "--pid", &pids[0], "--pid", &pids[1], "--force", "--json"];
    let report = object(&run(&machine, &arguments), 1);
    assert_eq!(
        (&report["error"]["code"], &report["error"]["pid"]),
        (&801.into(), &targets[1].pid().into())
    );
    assert_eq!(steps(&report["processes"][0]), ["lock", "checkpoint", "restore", "unlock"]);
    assert_eq!(report["processes"][0]["steps"][3]["undoing"], true);
    assert!(targets.iter_mut().all(|target| target.ask(b'q') == 1));
    machine.simulator.set_busy(targets[0].pid(), true);
    let arguments = ["--suspend", "--pid", &pids[0], "--limit", "0.02", "--json"];
    assert_eq!(object(&run(&machine, &arguments), 1)["error"]["code"], 600);
}

#[test]
fn maps_and_lost_processes() {
    let machine = SharedMachine::from(|builder| builder.knob(Knob::DeviceBytes, 700 << 20));
    let target = machine.target();
    let pid = pid(&target);
    let run = |arguments: &[&str]| {
        let mut command = command(&machine, arguments);
        command.env("SIMULATED_CUDA_KNOBS", "device_bytes=734003200");
        command.output().unwrap()
    };
    assert_eq!(run(&["--suspend", "--pid", &pid]).status.code(), Some(0));
    let half = format!("{0}={0}", machine.gpu(1));
    let arguments = ["--resume", "--pid", &pid, "--force", "--json", "--map", &half];
    let report = object(&run(&arguments), 1);
    assert_eq!((&report["error"]["code"], machine.state(target.pid())), (&1.into(), 2));
    let twice = ["--resume", "--pid", &pid, "--force", "--json", "--map", &half, "--map", &half];
    assert_eq!(object(&run(&twice), 2)["error"]["kind"], "map_names_twice");
    let other = machine.target();
    let report = object(&run(&["--resume", "--pid", &pid, "--force", "--json"]), 1);
    assert_eq!(report["error"]["code"], 2);
    assert_eq!(report["processes"][0]["state"], "checkpointed");
    drop(other);
    let report = object(&run(&["--resume", "--pid", &pid, "--force", "--json"]), 1);
    assert_eq!(report["error"]["code"], 304);
}

#[test]
fn a_tree_is_searched_for_processes_that_use_cuda() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let bare = Child::start(|_| 0);
    let own = std::process::id().to_string();
    // Other tests of this process have children on other machines.
    let report = object(&run(&machine, &["--cycle", "--tree", &own, "--force", "--json"]), 0);
    let tree: Vec<u64> =
        report["tree"].as_array().unwrap().iter().map(|p| p["pid"].as_u64().unwrap()).collect();
    assert_eq!(tree[0], u64::from(std::process::id()));
    assert!(tree.contains(&target.pid().into()) && tree.contains(&bare.pid().into()));
    let processes = report["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1, "{processes:?}");
    assert_eq!(processes[0]["pid"], target.pid());
    assert_eq!(target.ask(b'q'), 1);
    let bare = bare.pid().to_string();
    let error = object(&run(&machine, &["--state", "--tree", &bare, "--json"]), 3);
    assert_eq!(error["error"]["kind"], "no_process");
}

#[test]
fn a_process_suspends_itself() {
    let machine = SharedMachine::new();
    let report = object(&run(&machine, &["--cycle", "--self", "--force", "--json"]), 0);
    assert_eq!(steps(&report["processes"][0]), ["lock", "checkpoint", "restore", "unlock"]);
}

#[test]
fn without_nvml_there_is_no_cycle_unless_forced() {
    if cuda_primary_context::checkpoint::nvml::free().is_ok() {
        let what = "without_nvml_there_is_no_cycle_unless_forced";
        skips::skip("no-nvml", what, "it is here");
        return;
    }
    let machine = SharedMachine::new();
    let target = machine.target();
    let error = object(&run(&machine, &["--cycle", "--pid", &pid(&target), "--json"]), 3);
    assert_eq!(error["error"]["kind"], "nvml_not_found");
    assert!(error["error"]["message"].as_str().unwrap().contains("--force"), "{error}");
    assert_eq!(machine.state(target.pid()), 0, "nothing was done");
    // A suspension is done, and says what that means for the resumption.
    let output = run(&machine, &["--suspend", "--pid", &pid(&target)]);
    let errors = text(&output.stderr);
    assert!(errors.contains("Room for the restore cannot be checked"), "{errors}");
    let resume = format!("resume   --resume --pid {} --force\n", target.pid());
    assert!(text(&output.stdout).contains(&resume), "{output:?}");
}

#[test]
fn processes_and_drivers_that_are_not_there() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let id = pid(&target);
    target.kill();
    let error = object(&run(&machine, &["--state", "--pid", &id, "--json"]), 3);
    assert_eq!(error["error"]["kind"], "no_process");
    let own = std::process::id().to_string();
    let output = Command::new(example("checkpoint"))
        .args(["--driver", "/no/such/libcuda.so.1", "--state", "--pid", &own, "--json"])
        .output()
        .unwrap();
    assert_eq!(object(&output, 3)["error"]["kind"], "library_not_found");
    assert!(text(&output.stderr).starts_with("checkpoint: "));
    let bare = object(&run(&machine, &["--state", "--pid", &own, "--json"]), 1);
    assert_eq!(bare["processes"][0]["error"]["code"], 3);
    let bare = run(&machine, &["--state", "--pid", &own]);
    assert_eq!(text(&bare.stdout), format!("process  {own}  does not use CUDA\n"));
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let machine = SharedMachine::new();
    for (arguments, reason) in [
        (&["--pid", "1"][..], "one action is needed"),
        (&["--suspend", "--resume", "--pid", "1"], "one action is needed"),
        (&["--suspend"], "name the processes"),
        (&["--suspend", "--self"], "--self goes with --cycle"),
        (&["--cycle", "--self"], "--self needs --force"),
        (&["--suspend", "--pid", "x"], "--pid takes a process id"),
        (&["--suspend", "--pid"], "--pid needs a value"),
        (&["--suspend", "--pid", "1", "--limit", "-1"], "--limit"),
        (&["--suspend", "--pid", "1", "--map", "0=1"], "--map takes OLD=NEW"),
        (&["--suspend", "--pid", "1", "--needs", "7"], "--needs takes GPU=BYTES"),
        (&["--suspend", "--pid", "1", "--colour"], "--colour"),
    ] {
        let output = run(&machine, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let message = text(&output.stderr);
        assert!(message.contains(reason) && message.contains("--help"), "{message}");
        let json = [arguments, &["--json"]].concat();
        assert_eq!(object(&run(&machine, &json), 2)["error"]["kind"], "wrong_arguments");
    }
    let help = run(&machine, &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("Exit status: 0 all is well"));
}

/// If standard error is a terminal, a bar shows how far it is; `script` has one.
#[test]
fn a_terminal_shows_the_progress() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let mut command = command(&machine, &["--cycle", "--pid", &pid(&target), "--force"]);
    command.env("SIMULATED_CUDA_KNOBS", "checkpoint_milliseconds=1500,restore_milliseconds=1500");
    let line: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut script = Command::new("script");
    script.args(["-qec", &line.join(" "), "/dev/null"]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let Ok(output) = script.output() else {
        skips::skip("script", "a_terminal_shows_the_progress", "no program script");
        return;
    };
    let shown = text(&output.stdout);
    for bar in ["\rsuspending [##########..........] ", "\rresuming [....................] "] {
        let (_, seconds) = shown.split_once(bar).unwrap_or_else(|| panic!("{shown:?}"));
        let (seconds, _) = seconds.split_once(" s").unwrap_or_else(|| panic!("{shown:?}"));
        assert!(seconds.parse::<f64>().is_ok_and(|seconds| seconds > 0.0), "{shown:?}");
    }
    assert_eq!(machine.state(target.pid()), 0);
    assert_eq!(target.ask(b'q'), 1);
}
