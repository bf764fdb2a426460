//! What the checkpoint API tells: advice on each answer, steps with their times, the machine's GPUs; and
//! that a group's undoing leaves alone what another controller did.

mod support;

use std::error::Error as _;
use std::io;
use std::time::Duration;

use cuda_primary_context::checkpoint::{
    CheckpointError, Found, GpuMap, Room, State, Step, StepError, StepReport, machine_gpus, suspend,
};
use serde_json::json;
use simulated_libcuda::{Fault, Knob};
use support::namespaces::empty_folder_at;
use support::processes::in_own_process;
use support::skips;
use support::targets::{SharedMachine, kill_and_wait};

const LIMIT: Duration = Duration::from_secs(5);

/// The function's first call answers so, and does nothing.
fn refuse(machine: &SharedMachine, function: &str, code: u32) {
    machine.simulator.inject(Fault::of(function, 1).code(code).refused().once());
}

/// That the step was answered with this code, and that its text has this advice.
fn advised(error: &StepError, code: u32, advice: &str) {
    let text = error.error().to_string();
    assert!(text.contains(&format!("({code}); {advice}")), "{text}");
    assert_eq!(error.source().unwrap().to_string(), text);
}

#[test]
fn answers_come_with_advice() {
    let machine = SharedMachine::new();
    let target = machine.target();
    let pid = target.pid();
    for (code, advice) in [
        (401, "the process is not in the state that this call needs"),
        (600, "the process was at work for as long as the time limit allowed"),
        (3, "the process has not initialised CUDA"),
        (304, "there is no such process"),
    ] {
        refuse(&machine, "cuCheckpointProcessLock", code);
        let error = machine.open(pid).unwrap().lock(LIMIT).unwrap_err();
        advised(&error, code, advice);
        assert_eq!(error.to_string(), format!("process {pid} is running now"));
    }
    let mut checkpointed = machine.open(pid).unwrap().lock(LIMIT).unwrap().checkpoint().unwrap();
    for (code, advice) in [
        (1, "the restore map lacks a GPU or names one that does not fit"),
        (801, "seen where the process shares GPU memory with another, over NCCL say"),
        (2, "a device had no room"),
        (401, "the process is not in the state that this call needs"),
    ] {
        refuse(&machine, "cuCheckpointProcessRestore", code);
        let error = checkpointed.restore(&GpuMap::same(), &Room::Trusted).unwrap_err();
        advised(&error, code, advice);
        let (_, found) = error.into_parts();
        let Found::Checkpointed(again) = found else { panic!("{found:?}") };
        checkpointed = again;
    }
    // Of a code that nothing is known of there is no advice.
    refuse(&machine, "cuCheckpointProcessRestore", 1234);
    let error = checkpointed.restore(&GpuMap::same(), &Room::Trusted).unwrap_err();
    assert!(error.error().to_string().ends_with("(1234)"), "{error:?}");
}

/// Whether the number is this duration in milliseconds, rounded or not.
fn is_milliseconds(number: f64, took: Duration) -> bool {
    (number - took.as_micros() as f64 / 1000.0).abs() <= 1.0
}

#[test]
fn reports_tell_steps_times_and_states() {
    let machine = SharedMachine::from(|builder| {
        builder.knob(Knob::CheckpointMilliseconds, 40).knob(Knob::RestoreMilliseconds, 70)
    });
    let targets = [machine.target(), machine.target()];
    let pids = [0, 1].map(|index: usize| targets[index].pid());
    let suspended = suspend(pids.map(|pid| machine.open(pid).unwrap()), LIMIT).unwrap();
    assert_eq!(suspended.reports().len(), 2);
    let calls = suspended.reports()[0].steps().iter().map(|step| step.step().call());
    let expected = ["cuCheckpointProcessLock", "cuCheckpointProcessCheckpoint"];
    assert_eq!(calls.collect::<Vec<_>>(), expected);
    let resumed = suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap();
    let report = &resumed.reports()[1];
    let calls: Vec<_> = report.steps().iter().map(|step| step.step().call()).collect();
    assert_eq!(calls, ["cuCheckpointProcessRestore", "cuCheckpointProcessUnlock"]);
    assert!(report.steps()[0].took() >= Duration::from_millis(70), "{report:?}");

    // "process 4711: restore 70 ms, unlock 0 ms; running now"
    let line = report.to_string();
    let rest = line.strip_prefix(&format!("process {}: restore ", pids[1])).expect(&line);
    let (restore, rest) = rest.split_once(" ms, unlock ").expect(&line);
    let (unlock, rest) = rest.split_once(" ms").expect(&line);
    assert_eq!(rest, "; running now");
    let json = json!(report);
    for (index, shown) in [restore, unlock].into_iter().enumerate() {
        let took = report.steps()[index].took();
        assert!(is_milliseconds(shown.parse().expect(&line), took), "{line}, {took:?}");
        let number = json["steps"][index]["milliseconds"].as_f64().unwrap();
        assert!(is_milliseconds(number, took), "{json}, {took:?}");
    }
}

#[test]
fn what_another_controller_checkpointed_is_not_restored() {
    let machine = SharedMachine::new();
    let targets = [machine.target(), machine.target()];
    let pids = [0, 1].map(|index: usize| targets[index].pid());
    let others = machine.open(pids[1]).unwrap();
    // While the first is checkpointed, somebody else takes over the second, locked as it is.
    machine.simulator.before_call("cuCheckpointProcessCheckpoint", 1, move || {
        let (_, found) = others.lock(LIMIT).unwrap_err().into_parts();
        let Found::Other(process, State::Locked) = found else { panic!("{found:?}") };
        let Found::Locked(locked) = process.take_up() else { panic!("locked") };
        drop(locked.checkpoint().unwrap());
    });
    let error = suspend(pids.map(|pid| machine.open(pid).unwrap()), LIMIT).unwrap_err();
    assert_eq!((error.pid(), error.error().code().unwrap().0), (Some(pids[1]), 401));
    let steps: Vec<Step> = error.reports()[1].steps().iter().map(StepReport::step).collect();
    assert_eq!(steps, [Step::Lock, Step::Checkpoint], "no restore");
    drop(error);
    assert_eq!(pids.map(|pid| machine.state(pid)), [0, 2]);
}

/// The folder is there with NVIDIA's kernel driver alone.
#[test]
fn gpus_of_the_machine_are_those_of_the_kernel_driver() {
    match machine_gpus() {
        Ok(gpus) => assert!(!gpus.is_empty()),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
    }
}

#[test]
fn an_answer_about_a_process_that_ended_meanwhile_says_so() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let pid = target.pid();
    let process = machine.open(pid).unwrap();
    target.is_killed_by_others();
    machine.simulator.before_call("cuCheckpointProcessLock", 1, move || kill_and_wait(pid));
    refuse(&machine, "cuCheckpointProcessLock", 304);
    let error = process.lock(LIMIT).unwrap_err();
    assert_eq!((error.error().kind(), error.error().code()), ("ended", None));
}

/// As with `hidepid`, and in some containers.
#[test]
fn processes_that_proc_does_not_show_are_known_by_signals() {
    let test = "processes_that_proc_does_not_show_are_known_by_signals";
    in_own_process(test, || {
        let machine = SharedMachine::new();
        let mut target = machine.target();
        let pid = target.pid();
        if let Err(error) = empty_folder_at(c"/proc") {
            return skips::skip("namespaces", test, &format!("no /proc of its own: {error}"));
        }
        let process = machine.open(pid).unwrap();
        // The simulated driver knows nobody without `/proc`, which is another answer.
        assert_eq!(process.state().unwrap_err().kind(), "driver");
        for nobody in [0, u32::MAX] {
            assert_eq!(machine.open(nobody).unwrap_err().kind(), "ended");
        }
        target.kill();
        assert_eq!(process.state().unwrap_err().kind(), "ended");
        assert_eq!(machine.open(pid).unwrap_err().kind(), "ended");
    });
}

#[test]
fn a_load_that_fails_has_no_process() {
    let error = CheckpointError::from(support::load("/nowhere/libcuda.so.1").unwrap_err());
    assert_eq!((error.pid(), error.call(), error.code()), (None, None, None));
}
