//! What the errors of a step say, and what makes every step fail.

use std::error::Error as _;

use cuda_primary_context::checkpoint::{CheckpointError, Found, GpuMap, Process, Room, StepError};
use cuda_primary_context::{Error, sys::CUresult};
use simulated_libcuda::{Fault, Simulator};

use crate::LIMIT;
use crate::support::load;
use crate::support::targets::{SharedMachine, alone};

/// The function's first call returns this, and does nothing.
fn refuse(machine: &SharedMachine, function: &str, code: u32) {
    machine.simulator.inject(Fault::of(function, 1).code(code).refused().once());
}

/// That the step returned this code, and that its text has this advice.
fn advised(error: &StepError, code: u32, advice: &str) {
    let text = error.error().to_string();
    assert!(text.contains(&format!("({code}). {advice}")), "{text}");
    assert_eq!(error.source().unwrap().to_string(), text);
    assert_eq!(format!("{error:?}"), format!("{text} {error}"));
}

#[test]
fn failures_come_with_advice() {
    let machine = SharedMachine::new();
    let target = machine.target();
    let pid = target.pid();
    for (code, advice) in [
        (401, "The process is running. Lock it first; nothing was changed."),
        (600, "The process was busy for as long as the time limit allowed."),
        (3, "The process has not initialised CUDA"),
        (304, "The driver does not reach the process"),
    ] {
        refuse(&machine, "cuCheckpointProcessLock", code);
        let error = machine.open(pid).unwrap().lock(LIMIT).unwrap_err();
        advised(&error, code, advice);
        assert_eq!(error.to_string(), format!("Process {pid} is running now."));
    }
    let locked = machine.open(pid).unwrap().lock(LIMIT).unwrap();
    let error = machine.open(pid).unwrap().lock(LIMIT).unwrap_err();
    advised(&error, 401, "The process is already locked, maybe by another controller.");
    let mut checkpointed = locked.checkpoint().unwrap();
    let error = machine.open(pid).unwrap().lock(LIMIT).unwrap_err();
    advised(&error, 401, "The process is already checkpointed. Resume it first; nothing was");
    for (code, advice) in [
        (1, "Either the restore map lacks a GPU or names one that does not fit"),
        (801, "Seen when the process shares GPU memory with another, over NCCL for example."),
        (2, "A device had no room."),
    ] {
        refuse(&machine, "cuCheckpointProcessRestore", code);
        let error = checkpointed.restore(&GpuMap::same(), &Room::Trusted).unwrap_err();
        advised(&error, code, advice);
        let (_, found) = error.into_parts();
        let Found::Checkpointed(again) = found else { panic!("{found:?}") };
        checkpointed = again;
    }
    machine.simulator.set_state(pid, 3);
    let error = machine.open(pid).unwrap().lock(LIMIT).unwrap_err();
    advised(&error, 401, "An earlier step failed, and the driver can do no more");
    machine.simulator.set_state(pid, 2);
    // Nothing is known of this code.
    refuse(&machine, "cuCheckpointProcessRestore", 1234);
    let error = checkpointed.restore(&GpuMap::same(), &Room::Trusted).unwrap_err();
    assert!(error.error().to_string().ends_with("(1234)."), "{error:?}");
}

#[test]
fn older_drivers_and_no_drivers_are_errors_of_their_own() {
    let own = std::process::id();
    let open = |path: &std::path::Path| {
        // SAFETY: the simulator is a CUDA driver as far as the crate calls it, and nothing else loads.
        alone(|| unsafe { Process::open_from(path, own) }).unwrap_err()
    };
    let older = alone(|| Simulator::builder().driver_version(12070).visible_devices(None).start());
    let error = open(older.path());
    assert!(
        matches!(
            &error,
            CheckpointError::Load(Error::DriverTooOld { driver, introduced, .. })
                if (driver.raw(), introduced.raw()) == (12070, 12080)
        ),
        "{error:?}"
    );
    assert_eq!((error.kind(), error.pid(), error.code()), ("driver_too_old", None, None));
    assert_eq!(older.count("cuInit"), 0);
    let partial = alone(|| {
        Simulator::builder().visible_devices(None).without(&["cuCheckpointProcessRestore"]).start()
    });
    assert_eq!(open(partial.path()).kind(), "function_missing");
    assert_eq!(open("no/such/libcuda.so.1".as_ref()).kind(), "library_not_found");
    let driver = alone(|| load(older.path())).unwrap();
    assert_eq!(Process::open_with(driver, own).unwrap_err().kind(), "driver_too_old");
    let failing = alone(|| Simulator::builder().visible_devices(None).start());
    failing.inject(Fault::of("cuInit", 1).refused());
    let error = CheckpointError::from(alone(|| load(failing.path())).unwrap_err());
    assert_eq!((error.call(), error.code()), (Some("cuInit"), Some(CUresult::CUDA_ERROR_UNKNOWN)));
    assert!(!error.is_without_cuda());
    let stub = alone(|| Simulator::builder().visible_devices(None).stub().start());
    // SAFETY: as above.
    let process = alone(|| unsafe { Process::open_from(stub.path(), own) }).unwrap();
    assert_eq!(process.state().unwrap_err().code(), Some(CUresult::CUDA_ERROR_STUB_LIBRARY));
}
