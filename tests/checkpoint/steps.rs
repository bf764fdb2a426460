//! Suspending and resuming one process, step by step.

use std::time::Duration;

use cuda_primary_context::checkpoint::{
    CheckpointError, DeviceRoom, Found, GpuMap, GpuPair, Process, Room, State,
};
use cuda_primary_context::sys::CUresult;
use simulated_libcuda::Knob;

use crate::support::machine;
use crate::support::processes::in_own_process;
use crate::support::targets::SharedMachine;
use crate::{LIMIT, code};

#[test]
fn a_cycle_calls_each_function_once_and_never_cuinit() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let free = machine.simulator.machine_free(0);
    machine.simulator.record_calls(true);
    let process = machine.open(target.pid()).unwrap();
    assert_eq!(process.pid(), target.pid());
    assert_eq!(process.state().unwrap(), State::Running);
    let locked = process.lock(LIMIT).unwrap();
    assert_eq!((locked.pid(), machine.state(target.pid())), (target.pid(), 1));
    target.order();
    assert!(target.still_waits(), "its calls wait");
    let checkpointed = locked.checkpoint().unwrap();
    assert_eq!((checkpointed.pid(), machine.state(target.pid())), (target.pid(), 2));
    assert!(machine.simulator.machine_free(0) > free, "its devices are free");
    let locked = checkpointed.restore(&GpuMap::same(), &Room::Trusted).unwrap();
    assert_eq!((machine.state(target.pid()), machine.simulator.machine_free(0)), (1, free));
    let process = locked.unlock().unwrap();
    assert_eq!(process.state().unwrap(), State::Running);
    assert_eq!(target.result(), 1, "its context is there");
    let calls = machine.simulator.calls();
    let functions: Vec<&str> = calls.iter().map(|call| call.function).collect();
    assert_eq!(
        functions,
        [
            "cuCheckpointProcessGetState",
            "cuCheckpointProcessLock",
            "cuCheckpointProcessCheckpoint",
            "cuCheckpointProcessRestore",
            "cuCheckpointProcessUnlock",
            "cuCheckpointProcessGetState",
        ]
    );
    assert_eq!(machine.simulator.count("cuInit"), 0);
}

#[test]
fn an_error_turned_into_its_cause_unlocks() {
    fn checkpoint(process: Process) -> Result<(), CheckpointError> {
        let _suspended = process.lock(LIMIT)?.checkpoint()?;
        Ok(())
    }
    let machine = SharedMachine::new();
    let mut target = machine.target();
    machine.simulator.set_managed_memory(target.pid(), true);
    let error = checkpoint(machine.open(target.pid()).unwrap()).unwrap_err();
    assert_eq!(error.code(), Some(CUresult::CUDA_ERROR_NOT_SUPPORTED));
    assert_eq!(error.call(), Some("cuCheckpointProcessCheckpoint"));
    assert_eq!((error.pid(), error.kind()), (Some(target.pid()), "driver"));
    assert!(error.to_string().contains("managed memory"), "{error}");
    assert_eq!((machine.state(target.pid()), target.ask()), (0, 1));
}

#[test]
fn a_restore_without_room_destroys_the_process_unless_it_is_checked() {
    let machine = SharedMachine::from(|builder| builder.knob(Knob::DeviceBytes, 700 << 20));
    let target = machine.target();
    let pid = target.pid();
    let open = || machine.open(pid).unwrap();

    let checkpointed = open().lock(LIMIT).unwrap().checkpoint().unwrap();
    let gpu = |number| machine.gpu(number);
    // Room is looked for first, and then no call is made.
    let calls = machine.simulator.total_calls();
    let room = |free| Room::Looked(vec![DeviceRoom { device: gpu(0), needed: 524 << 20, free }]);
    let error = checkpointed.restore(&GpuMap::same(), &room((524 << 20) - 1)).unwrap_err();
    assert_eq!(machine.simulator.total_calls(), calls);
    let CheckpointError::NoRoom { device, needed, free, .. } = *error.error() else {
        panic!("{error:?}")
    };
    assert_eq!((device, needed, free), (gpu(0), 524 << 20, (524 << 20) - 1));
    let (_, Found::Checkpointed(checkpointed)) = error.into_parts() else { panic!("checkpointed") };
    let locked = checkpointed.restore(&GpuMap::same(), &room(524 << 20)).unwrap();
    let process = locked.unlock().unwrap();

    // A caller that is wrong about the room loses the process.
    let checkpointed = process.lock(LIMIT).unwrap().checkpoint().unwrap();
    let mut other = machine.target();
    let error = checkpointed.restore(&GpuMap::same(), &Room::Trusted).unwrap_err();
    assert_eq!((code(&error), error.found().state()), (2, Some(State::Checkpointed)));
    other.kill();
    let (_, Found::Checkpointed(lost)) = error.into_parts() else { panic!("checkpointed") };
    let error = lost.restore(&GpuMap::same(), &Room::Trusted).unwrap_err();
    assert_eq!((code(&error), error.found().state()), (304, Some(State::Checkpointed)));
    assert!(error.error().to_string().contains("lost in a restore without room"), "{error:?}");
}

#[test]
fn maps_move_a_process_to_other_gpus() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let pid = target.pid();
    let pair = |old, new| GpuPair { old: machine.gpu(old), new: machine.gpu(new) };
    let all = [machine.gpu(0), machine.gpu(1)];
    let swapped = GpuMap::new([pair(0, 1), pair(1, 0)], &all).unwrap();
    let suspended = machine.open(pid).unwrap().lock(LIMIT).unwrap().checkpoint().unwrap();
    suspended.restore(&swapped, &Room::Trusted).unwrap().unlock().unwrap();
    assert_eq!([0, 1].map(|gpu| machine.simulator.target_bytes(pid, gpu)), [0, 524 << 20]);
    assert_eq!(target.ask(), 1);
}

#[test]
fn states_of_no_step_are_handed_back_as_they_are() {
    let machine = SharedMachine::new();
    let target = machine.target();
    let pid = target.pid();
    for (number, state) in [
        (3, State::Failed),
        (4, State::Checkpointing),
        (5, State::Restoring),
        (77, State::Unknown(77)),
    ] {
        machine.simulator.set_state(pid, number);
        let process = machine.open(pid).unwrap();
        assert_eq!(process.state().unwrap(), state);
        let Found::Other(process, found) = process.take_up() else { panic!("{state}") };
        assert_eq!((found, process.pid()), (state, pid));
        let error = process.lock(LIMIT).unwrap_err();
        assert_eq!((code(&error), error.found().state()), (401, Some(state)));
        assert_eq!(machine.state(pid), number);
    }
}

#[test]
fn a_process_suspends_and_resumes_itself() {
    in_own_process(|| {
        let machine = machine(2);
        machine.simulator.retain_by_others(0, 1);
        let own = std::process::id();
        let process = Process::open_with(machine.driver, own).unwrap();
        let locked = process.lock(LIMIT).unwrap();
        let free = machine.simulator.machine_free(0);
        let checkpointed = locked.checkpoint().unwrap();
        assert_eq!(machine.simulator.target(own).unwrap().state, 2);
        assert_eq!(machine.simulator.machine_free(0), free + (524 << 20));
        let locked = checkpointed.restore(&GpuMap::same(), &Room::Trusted).unwrap();
        locked.unlock().unwrap();
        assert!(machine.device(0).primary_context_state().unwrap().active);
    });
}

/// As the driver receives them: 0 would be without a limit.
#[test]
fn limits_are_rounded_up_to_milliseconds() {
    let machine = SharedMachine::new();
    let target = machine.target();
    let beyond = Duration::from_millis(u64::from(u32::MAX) + 2);
    for (limit, received) in [
        (Duration::ZERO, 1),
        (Duration::from_nanos(1), 1),
        (Duration::from_millis(1), 1),
        (Duration::from_micros(1001), 2),
        (Duration::from_millis(2500), 2500),
        (Duration::from_millis(u32::MAX.into()), u32::MAX),
        (beyond, u32::MAX),
        (Duration::MAX, u32::MAX),
    ] {
        drop(machine.open(target.pid()).unwrap().lock(limit).unwrap());
        let target = machine.simulator.target(target.pid()).unwrap();
        assert_eq!(target.lock_milliseconds, received, "{limit:?}");
    }
    drop(machine.open(target.pid()).unwrap().lock_without_limit().unwrap());
    assert_eq!(machine.simulator.target(target.pid()).unwrap().lock_milliseconds, 0);
}
