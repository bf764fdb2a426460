//! Suspending and resuming processes, on a simulated machine.

#[path = "../support/mod.rs"]
mod support;

mod deaths;
mod errors;
mod example;
mod faults;
mod groups;
mod identity;
mod nvml;
mod order;
mod steps;
mod two_controllers;

use std::time::Duration;

use cuda_primary_context::checkpoint::{GpuMap, Process, Room, StepError, recover};
use support::targets::{Child, SharedMachine};

/// Longer than any lock takes here.
const LIMIT: Duration = Duration::from_secs(5);

const CALLS: [&str; 4] = [
    "cuCheckpointProcessLock",
    "cuCheckpointProcessCheckpoint",
    "cuCheckpointProcessRestore",
    "cuCheckpointProcessUnlock",
];

fn code(error: &StepError) -> u32 {
    error.error().code().expect("a driver call failed").0
}

/// Processes with a context on device 0, and their ids.
fn targets<const COUNT: usize>(machine: &SharedMachine) -> ([Child; COUNT], [u32; COUNT]) {
    let targets = [(); COUNT].map(|()| machine.target());
    let pids = std::array::from_fn(|index| targets[index].pid());
    (targets, pids)
}

fn open_all(machine: &SharedMachine, pids: &[u32]) -> Vec<Process> {
    pids.iter().map(|&pid| machine.open(pid).unwrap()).collect()
}

fn states<const COUNT: usize>(machine: &SharedMachine, pids: [u32; COUNT]) -> [u32; COUNT] {
    pids.map(|pid| machine.state(pid))
}

/// All four steps; the first that failed.
fn cycle(process: Process) -> Result<(), StepError> {
    let checkpointed = process.lock(LIMIT)?.checkpoint()?;
    checkpointed.restore(&GpuMap::same(), &Room::Trusted)?.unlock()?;
    Ok(())
}

/// Brings the process back to where it runs, whatever state it is in.
fn bring_back(machine: &SharedMachine, pid: u32) {
    recover([machine.open(pid).unwrap()], &GpuMap::same(), &Room::Trusted).unwrap();
    assert_eq!(machine.state(pid), 0);
}
