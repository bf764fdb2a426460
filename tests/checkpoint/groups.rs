//! Several processes suspended and resumed together: what a failure leaves, the reports, recovery.

use std::error::Error as _;
use std::time::Duration;

use cuda_primary_context::checkpoint::{
    CheckpointError, DeviceRoom, Found, GpuMap, GroupError, Room, State, Step, StepReport,
    Suspended, recover, suspend, tree,
};
use serde_json::{Value, json};
use simulated_libcuda::{Fault, Knob};

use crate::support::targets::{Child, SharedMachine};
use crate::{LIMIT, code, open_all, states, targets};

fn again(error: GroupError) -> Suspended {
    let found = error.into_parts().1.into_iter();
    found
        .map(|found| match found {
            Found::Checkpointed(process) => process,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn steps_of(reports: &[StepReport]) -> Vec<(Step, bool)> {
    reports.iter().map(|step| (step.step, step.undoing)).collect()
}

#[test]
fn one_that_cannot_be_checkpointed_brings_all_back() {
    let machine = SharedMachine::new();
    let (mut targets, pids) = targets::<3>(&machine);
    machine.simulator.set_managed_memory(pids[2], true);
    let error = suspend(open_all(&machine, &pids), LIMIT).unwrap_err();
    assert_eq!((error.pid(), error.error().code().unwrap().0), (Some(pids[2]), 801));
    assert!(error.source().is_some());
    let text = error.to_string();
    assert!(text.starts_with(&format!("A step failed for process {}, one of 3.", pids[2])));
    assert!(text.ends_with(&format!("Process {} is running now.", pids[2])), "{text}");
    assert!(error.found().iter().all(|found| matches!(found, Found::Running(_))));
    let first = &error.reports()[0];
    let expected = [
        (Step::Lock, false),
        (Step::Checkpoint, false),
        (Step::Restore, true),
        (Step::Unlock, true),
    ];
    assert_eq!(steps_of(&first.steps), expected);
    let line = first.to_string();
    assert!(line.contains("undone by restore") && line.ends_with("; running now"), "{line}");
    assert!(error.reports()[2].to_string().contains("801"), "{}", error.reports()[2]);
    let json: Value = json!(&error);
    assert_eq!(
        (&json["error"]["code"], &json["processes"][0]["state"]),
        (&801.into(), &"running".into())
    );
    assert_eq!(json["processes"][2]["steps"][1]["error"]["code"], 801);
    assert_eq!(json["processes"][0]["steps"][2]["undoing"], true);
    assert!(targets.iter_mut().all(|target| target.ask() == 1));
}

#[test]
fn one_that_is_busy_or_dead_unlocks_the_others() {
    for dead in [false, true] {
        let machine = SharedMachine::new();
        let (mut targets, pids) = targets::<3>(&machine);
        let processes = open_all(&machine, &pids);
        match dead {
            true => targets[1].kill(),
            false => machine.simulator.set_busy(pids[1], true),
        }
        let error = suspend(processes, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.error().kind(), if dead { "ended" } else { "driver" });
        assert_eq!(error.found()[1].state(), (!dead).then_some(State::Running));
        let undone = [(Step::Lock, false), (Step::Unlock, true)];
        assert_eq!(steps_of(&error.reports()[0].steps), undone);
        assert!(error.reports()[2].steps.is_empty(), "nothing was begun any more");
        assert_eq!([pids[0], pids[2]].map(|pid| machine.state(pid)), [0; 2]);
    }
}

/// From every state of each of three processes, which other controllers left.
#[test]
fn a_group_changes_nothing_that_others_did_and_recovery_brings_all_back() {
    let machine = SharedMachine::new();
    let (mut targets, pids) = targets::<3>(&machine);
    for number in 0..27 {
        let before = [number / 9, number / 3 % 3, number % 3];
        let arrange = || {
            for (pid, state) in pids.into_iter().zip(before) {
                machine.simulator.set_state(pid, state);
            }
        };
        arrange();
        match suspend(open_all(&machine, &pids), LIMIT) {
            Ok(_) => assert_eq!((before, states(&machine, pids)), ([0; 3], [2; 3])),
            Err(error) => {
                let first = before.iter().position(|state| *state != 0).expect("one was not");
                assert_eq!(
                    (error.pid(), error.error().code().unwrap().0),
                    (Some(pids[first]), 401)
                );
                drop(error);
                assert_eq!(states(&machine, pids), before);
            }
        }
        arrange();
        let recovered =
            recover(open_all(&machine, &pids), &GpuMap::same(), &Room::Trusted).unwrap();
        assert_eq!((states(&machine, pids), recovered.into_processes().len()), ([0; 3], 3));
    }
    assert!(targets.iter_mut().all(|target| target.ask() == 1));
}

#[test]
fn recovery_goes_on_after_a_failure_and_passes_processes_without_cuda() {
    let machine = SharedMachine::new();
    let (_targets, pids) = targets::<3>(&machine);
    let bare = Child::start(|| 0);
    let _ = suspend(open_all(&machine, &pids), LIMIT).unwrap();
    let room = Room::Looked(vec![DeviceRoom { device: machine.gpu(0), needed: 2, free: 1 }]);
    let error = recover(open_all(&machine, &pids), &GpuMap::same(), &room).unwrap_err();
    assert_eq!((error.error().kind(), states(&machine, pids)), ("no_room", [2; 3]));
    machine.simulator.inject(Fault::of("cuCheckpointProcessRestore", 1).code(999).refused().once());
    let all = [&pids[..], &[bare.pid()]].concat();
    let error = recover(open_all(&machine, &all), &GpuMap::same(), &Room::Trusted).unwrap_err();
    let failed = error.pid().expect("a process");
    assert_eq!(pids.map(|pid| machine.state(pid) == 2), pids.map(|pid| pid == failed));
    let recovered = recover(open_all(&machine, &all), &GpuMap::same(), &Room::Trusted).unwrap();
    assert_eq!((states(&machine, pids), recovered.into_processes().len()), ([0; 3], 3));
}

#[test]
fn what_another_controller_checkpointed_meanwhile_is_not_restored() {
    let machine = SharedMachine::new();
    let (_targets, pids) = targets::<2>(&machine);
    let others = machine.open(pids[1]).unwrap();
    // While both are locked, somebody else takes over the second.
    machine.simulator.before_call("cuCheckpointProcessCheckpoint", 1, move || {
        let (_, found) = others.lock(LIMIT).unwrap_err().into_parts();
        let Found::Other(process, State::Locked) = found else { panic!("{found:?}") };
        let Found::Locked(locked) = process.take_up() else { panic!("locked") };
        drop(locked.checkpoint().unwrap());
    });
    let steps = cuda_primary_context::checkpoint::Steps::new().at_once(1);
    assert_eq!(format!("{steps:?}"), "Steps { at_once: Some(1), .. }");
    let error = steps.suspend(open_all(&machine, &pids), LIMIT).unwrap_err();
    assert_eq!((error.pid(), error.error().code().unwrap().0), (Some(pids[1]), 401));
    let steps = steps_of(&error.reports()[1].steps);
    assert_eq!(steps, [(Step::Lock, false), (Step::Checkpoint, false)], "no restore");
    drop(error);
    assert_eq!(states(&machine, pids), [0, 2]);
}

#[test]
fn room_is_that_of_all_together_and_without_it_no_call_is_made() {
    let machine = SharedMachine::new();
    let (mut targets, pids) = targets::<3>(&machine);
    let suspended = suspend(open_all(&machine, &pids), LIMIT).unwrap();
    assert_eq!(suspended.processes().iter().map(|process| process.pid()).collect::<Vec<_>>(), pids);
    let room = |free| {
        let needed = 3 * (524 << 20);
        Room::Looked(vec![DeviceRoom { device: machine.gpu(0), needed, free }])
    };
    let calls = machine.simulator.total_calls();
    let error = suspended.resume(&GpuMap::same(), &room(1 << 30)).unwrap_err();
    assert_eq!(machine.simulator.total_calls(), calls);
    assert_eq!((error.pid(), error.error().kind()), (None, "no_room"));
    assert!(error.to_string().starts_with("Nothing was done for 3 processes."), "{error}");
    let again = again(error);
    assert!(again.reports().is_empty());
    let resumed = again.resume(&GpuMap::same(), &room(1 << 40)).unwrap();
    assert_eq!(resumed.reports().len(), 3);
    assert!(targets.iter_mut().all(|target| target.ask() == 1));
    assert_eq!(suspend([], LIMIT).unwrap().processes().len(), 0);
}

#[test]
fn a_restore_that_fails_suspends_the_group_again() {
    let machine = SharedMachine::new();
    let (mut targets, pids) = targets::<3>(&machine);
    let mut suspended = suspend(open_all(&machine, &pids), LIMIT).unwrap();
    // And once more.
    for _ in 0..2 {
        machine
            .simulator
            .inject(Fault::of("cuCheckpointProcessRestore", 3).code(2).refused().once());
        let error = suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap_err();
        assert_eq!(error.error().code().unwrap().0, 2);
        assert_eq!(states(&machine, pids), [2; 3]);
        suspended = again(error);
    }
    suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap();
    assert!(targets.iter_mut().all(|target| target.ask() == 1));
}

#[test]
fn an_unlock_that_fails_does_not_keep_the_others_locked() {
    let machine = SharedMachine::new();
    let (_targets, pids) = targets::<3>(&machine);
    let suspended = suspend(open_all(&machine, &pids), LIMIT).unwrap();
    machine.simulator.inject(Fault::of("cuCheckpointProcessUnlock", 1).code(999).refused());
    let error = suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap_err();
    assert_eq!(error.pid(), Some(pids[0]));
    assert_eq!(states(&machine, pids), [1, 0, 0]);
    drop(error);
    assert_eq!(machine.state(pids[0]), 0);
}

#[test]
fn a_process_named_twice_is_refused_before_any_call() {
    let machine = SharedMachine::new();
    let (_targets, pids) = targets::<2>(&machine);
    let twice = [pids[0], pids[1], pids[0]];
    let calls = machine.simulator.total_calls();
    let error = suspend(open_all(&machine, &twice), LIMIT).unwrap_err();
    assert_eq!(machine.simulator.total_calls(), calls);
    let refused = |error: &GroupError| matches!(error.error(), CheckpointError::NamedTwice { pid, .. } if *pid == pids[0]);
    assert!(refused(&error) && error.error().pid() == Some(pids[0]), "{error:?}");
    assert_eq!(
        error.found().iter().map(Found::state).collect::<Vec<_>>(),
        [Some(State::Running); 3]
    );
    // Taken up twice.
    drop(suspend(open_all(&machine, &pids), LIMIT).unwrap());
    let taken_up = open_all(&machine, &twice).into_iter().map(|process| match process.take_up() {
        Found::Checkpointed(process) => process,
        other => panic!("{other:?}"),
    });
    let suspended: Suspended = taken_up.collect();
    let error = suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap_err();
    assert!(refused(&error) && states(&machine, pids) == [2; 2], "{error:?}");
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
    assert_eq!((code(&error), &object["state"]), (600, &"running".into()));
    assert_eq!(object["error"]["call"], "cuCheckpointProcessLock");
    assert_eq!(object["error"]["pid"], target.pid());
    assert_eq!(object["error"]["name"], "CUDA_ERROR_NOT_READY");
    let room = DeviceRoom { device: machine.gpu(1), needed: 2, free: 1 };
    let rooms = json!([{ "device": machine.gpu(1).to_string(), "needed": 2, "free": 1 }]);
    assert_eq!(json!(Room::Looked(vec![room])), rooms);
    assert_eq!(json!(Room::Trusted), Value::Null);
    let error = Room::Looked(vec![room]).check().unwrap_err();
    assert_eq!(json!(&error)["kind"], "no_room");
    let all = json!(tree(std::process::id()).unwrap());
    let found = all.as_array().unwrap().iter().find(|process| process["pid"] == target.pid());
    assert_eq!(found.unwrap()["device_files"], json!([]), "{all}");
}

#[test]
fn reports_have_steps_times_and_states() {
    let machine = SharedMachine::from(|builder| {
        builder.knob(Knob::CheckpointMilliseconds, 40).knob(Knob::RestoreMilliseconds, 70)
    });
    let (_targets, pids) = targets::<2>(&machine);
    let suspended = suspend(open_all(&machine, &pids), LIMIT).unwrap();
    assert_eq!(suspended.reports().len(), 2);
    for (report, pid) in suspended.reports().iter().zip(pids) {
        assert_eq!((report.pid, report.state), (pid, Some(State::Checkpointed)));
        assert_eq!(steps_of(&report.steps), [(Step::Lock, false), (Step::Checkpoint, false)]);
        assert!(report.steps.iter().all(|step| step.error.is_none()));
    }
    let resumed = suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap();
    let report = &resumed.reports()[1];
    assert!(report.steps[0].took >= Duration::from_millis(70), "{report:?}");
    let line = report.to_string();
    let milliseconds = report.steps[0].took.as_secs_f64() * 1e3;
    let begin = format!("process {}: restore {milliseconds:.0} ms, unlock ", pids[1]);
    assert!(line.starts_with(&begin), "{line}");
    assert!(line.ends_with(" ms; running now"), "{line}");
    assert_eq!(json!(report)["steps"][0]["milliseconds"], milliseconds);
}
