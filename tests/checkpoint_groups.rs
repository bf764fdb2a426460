//! Several processes suspended and resumed together: the order of the calls, what undoes them, the
//! reports, and process trees.

mod support;

use std::error::Error as _;
use std::time::Duration;

use cuda_primary_context::checkpoint::{
    DeviceRoom, Found, GpuMap, Room, State, Step, Suspended, suspend, tree,
};
use serde_json::{Value, json};
use simulated_libcuda::{Fault, Knob};
use support::targets::{Child, SharedMachine};

const LIMIT: Duration = Duration::from_secs(5);

/// A machine with three processes.
fn group() -> (SharedMachine, [Child; 3]) {
    let machine = SharedMachine::new();
    let targets = [machine.target(), machine.target(), machine.target()];
    (machine, targets)
}

/// The recorded calls, without their common prefix.
fn calls(machine: &SharedMachine) -> Vec<&'static str> {
    let calls = machine.simulator.calls();
    let calls = calls.iter().map(|call| &call.function["cuCheckpointProcess".len()..]);
    calls.filter(|call| *call != "GetState").collect()
}

#[test]
fn all_are_locked_before_any_is_checkpointed_and_restored_before_any_is_unlocked() {
    let (machine, mut targets) = group();
    let pids = [0, 1, 2].map(|index: usize| targets[index].pid());
    machine.simulator.record_calls(true);
    let suspended = suspend(pids.map(|pid| machine.open(pid).unwrap()), LIMIT).unwrap();
    let order = ["Lock", "Lock", "Lock", "Checkpoint", "Checkpoint", "Checkpoint"];
    assert_eq!(calls(&machine), order);
    assert_eq!(suspended.processes().iter().map(|p| p.pid()).collect::<Vec<_>>(), pids);
    for (report, pid) in suspended.reports().iter().zip(pids) {
        assert_eq!((report.pid(), report.state()), (pid, Some(State::Checkpointed)));
        let steps: Vec<Step> = report.steps().iter().map(|step| step.step()).collect();
        assert_eq!(steps, [Step::Lock, Step::Checkpoint]);
        assert!(report.steps().iter().all(|step| step.error().is_none() && !step.is_undoing()));
    }
    machine.simulator.clear_calls();
    let resumed = suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap();
    let order = ["Restore", "Restore", "Restore", "Unlock", "Unlock", "Unlock"];
    assert_eq!(calls(&machine), order);
    assert_eq!(resumed.reports().len(), 3);
    assert_eq!(resumed.into_processes().len(), 3);
    assert!(targets.iter_mut().all(|target| target.ask(b'q') == 1));
    assert_eq!(suspend([], LIMIT).unwrap().processes().len(), 0);
}

#[test]
fn one_that_cannot_be_checkpointed_brings_all_back_in_the_opposite_order() {
    let (machine, mut targets) = group();
    let pids = [0, 1, 2].map(|index: usize| targets[index].pid());
    machine.simulator.set_managed_memory(pids[2], true);
    machine.simulator.record_calls(true);
    let error = suspend(pids.map(|pid| machine.open(pid).unwrap()), LIMIT).unwrap_err();
    let forth = ["Lock", "Lock", "Lock", "Checkpoint", "Checkpoint", "Checkpoint"];
    let back = ["Restore", "Restore", "Unlock", "Unlock", "Unlock"];
    assert_eq!(calls(&machine), [&forth[..], &back].concat());
    assert_eq!((error.pid(), error.error().code().unwrap().0), (Some(pids[2]), 801));
    assert!(error.source().is_some());
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("a step failed for process {}, one of 3;", pids[2])),
        "{text}"
    );
    assert!(error.found().iter().all(|found| matches!(found, Found::Running(_))));
    let first = &error.reports()[0];
    let undone: Vec<bool> = first.steps().iter().map(|step| step.is_undoing()).collect();
    assert_eq!(undone, [false, false, true, true]);
    let line = first.to_string();
    assert!(line.contains("undone by restore") && line.ends_with("; running now"), "{line}");
    assert!(error.reports()[2].to_string().contains("801"), "{}", error.reports()[2]);
    let json: Value = json!(&error);
    assert_eq!(json["error"]["code"], 801);
    assert_eq!(json["error"]["kind"], "driver");
    assert_eq!(json["processes"][2]["steps"][1]["error"]["code"], 801);
    assert_eq!(json["processes"][0]["steps"][2]["undoing"], true);
    assert_eq!(json["processes"][0]["state"], "running");
    assert!(targets.iter_mut().all(|target| target.ask(b'q') == 1));
}

#[test]
fn one_that_is_busy_or_dead_unlocks_the_others() {
    for dead in [false, true] {
        let (machine, mut targets) = group();
        let pids = [0, 1, 2].map(|index: usize| targets[index].pid());
        let processes = pids.map(|pid| machine.open(pid).unwrap());
        match dead {
            true => targets[1].kill(),
            false => machine.simulator.set_busy(pids[1], true),
        }
        machine.simulator.record_calls(true);
        let error = suspend(processes, Duration::from_millis(20)).unwrap_err();
        let made: &[&str] = if dead { &["Lock", "Unlock"] } else { &["Lock", "Lock", "Unlock"] };
        assert_eq!(calls(&machine), made);
        assert_eq!(error.error().kind(), if dead { "ended" } else { "driver" });
        assert_eq!(error.found()[1].state(), (!dead).then_some(State::Running));
        assert_eq!((machine.state(pids[0]), machine.state(pids[2])), (0, 0));
    }
}

#[test]
fn one_that_somebody_else_has_checkpointed_stays_so() {
    let (machine, targets) = group();
    let pids = [0, 1, 2].map(|index: usize| targets[index].pid());
    drop(machine.open(pids[1]).unwrap().lock(LIMIT).unwrap().checkpoint().unwrap());
    let error = suspend(pids.map(|pid| machine.open(pid).unwrap()), LIMIT).unwrap_err();
    assert_eq!((error.pid(), error.error().code().unwrap().0), (Some(pids[1]), 401));
    drop(error);
    assert_eq!(pids.map(|pid| machine.state(pid)), [0, 2, 0]);
}

#[test]
fn room_is_that_of_all_together_and_without_it_no_call_is_made() {
    let (machine, mut targets) = group();
    let pids = [0, 1, 2].map(|index: usize| targets[index].pid());
    let suspended = suspend(pids.map(|pid| machine.open(pid).unwrap()), LIMIT).unwrap();
    let room = |free| {
        let needed = 3 * (524 << 20);
        Room::Looked(vec![DeviceRoom { device: machine.gpu(0), needed, free }])
    };
    let calls = machine.simulator.total_calls();
    let error = suspended.resume(&GpuMap::same(), &room(1 << 30)).unwrap_err();
    assert_eq!(machine.simulator.total_calls(), calls);
    assert_eq!((error.pid(), error.error().kind()), (None, "no_room"));
    assert!(error.to_string().starts_with("nothing was done for 3 processes"), "{error}");
    let (_, found) = error.into_parts();
    let again = found.into_iter().map(|found| match found {
        Found::Checkpointed(process) => process,
        other => panic!("{other:?}"),
    });
    let again = Suspended::of(again);
    assert!(again.reports().is_empty());
    again.resume(&GpuMap::same(), &room(1 << 40)).unwrap();
    assert!(targets.iter_mut().all(|target| target.ask(b'q') == 1));
}

#[test]
fn a_restore_that_fails_suspends_the_group_again() {
    let machine = SharedMachine::from(|builder| builder.knob(Knob::RestoreWithoutRoomDestroys, 0));
    let mut targets = [machine.target(), machine.target(), machine.target()];
    let pids = [0, 1, 2].map(|index: usize| targets[index].pid());
    let suspended = suspend(pids.map(|pid| machine.open(pid).unwrap()), LIMIT).unwrap();
    machine.simulator.inject(Fault::of("cuCheckpointProcessRestore", 3).code(2).refused());
    machine.simulator.record_calls(true);
    let error = suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap_err();
    let order = ["Restore", "Restore", "Restore", "Checkpoint", "Checkpoint"];
    assert_eq!(calls(&machine), order);
    assert_eq!(error.pid(), Some(pids[2]));
    assert_eq!(pids.map(|pid| machine.state(pid)), [2; 3]);
    let (_, found) = error.into_parts();
    let again = found.into_iter().filter_map(|found| match found {
        Found::Checkpointed(process) => Some(process),
        _ => None,
    });
    Suspended::of(again).resume(&GpuMap::same(), &Room::Trusted).unwrap();
    assert!(targets.iter_mut().all(|target| target.ask(b'q') == 1));
}

#[test]
fn an_unlock_that_fails_does_not_keep_the_others_locked() {
    let (machine, targets) = group();
    let pids = [0, 1, 2].map(|index: usize| targets[index].pid());
    let suspended = suspend(pids.map(|pid| machine.open(pid).unwrap()), LIMIT).unwrap();
    machine.simulator.inject(Fault::of("cuCheckpointProcessUnlock", 1).code(999).refused());
    let error = suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap_err();
    assert_eq!(error.pid(), Some(pids[0]));
    assert_eq!(pids.map(|pid| machine.state(pid)), [1, 0, 0]);
    drop(error);
    assert_eq!(machine.state(pids[0]), 0);
}

#[test]
fn a_process_named_twice_is_refused_and_unlocked() {
    let (machine, targets) = group();
    let pid = targets[0].pid();
    let error = suspend([pid, pid].map(|pid| machine.open(pid).unwrap()), LIMIT).unwrap_err();
    assert_eq!(error.error().code().unwrap().0, 401);
    drop(error);
    assert_eq!(machine.state(pid), 0);
}

#[test]
fn states_errors_and_rooms_are_data() {
    let machine = SharedMachine::new();
    let target = machine.target();
    assert_eq!(json!(State::Running), "running");
    assert_eq!(json!(State::Unknown(77)), "unknown (77)");
    machine.simulator.set_busy(target.pid(), true);
    let error = machine.open(target.pid()).unwrap().lock(Duration::from_millis(1)).unwrap_err();
    let object = json!(&error);
    assert_eq!(object["state"], "running");
    assert_eq!(object["error"]["call"], "cuCheckpointProcessLock");
    assert_eq!(object["error"]["pid"], target.pid());
    assert_eq!(object["error"]["name"], "CUDA_ERROR_NOT_READY");
    let room = DeviceRoom { device: machine.gpu(1), needed: 2, free: 1 };
    let rooms = json!([{ "device": machine.gpu(1).to_string(), "needed": 2, "free": 1 }]);
    assert_eq!(json!(Room::Looked(vec![room])), rooms);
    assert_eq!(json!(Room::Trusted), Value::Null);
    let error = Room::Looked(vec![room]).check().unwrap_err();
    assert_eq!(json!(&error)["kind"], "no_room");
    let own = std::process::id();
    let all = json!(tree(own).unwrap());
    assert_eq!((&all[0]["pid"], &all[0]["device_files"]), (&json!(own), &json!([])));
    let pids = all.as_array().unwrap().iter().map(|process| process["pid"].as_u64().unwrap());
    assert!(pids.collect::<Vec<_>>().contains(&u64::from(target.pid())), "{all}");
}
