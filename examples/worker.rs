//! A worker that a launcher starts once for each GPU. It keeps the device of its rank, releases the strays
//! on the others and prints the outcome of each device.
//!
//! ```text
//! torchrun --no-python --nproc-per-node 4 target/debug/examples/worker
//! mpirun -n 4 target/debug/examples/worker
//! srun --ntasks-per-node 4 target/debug/examples/worker
//! ```

use std::env;
use std::error::Error;
use std::process::ExitCode;

use cuda_primary_context::{Device, Driver, PrimaryContextGuard};

/// The variables with a process's number on this machine: of torchrun, Open MPI, Slurm.
const RANKS: [&str; 3] = ["LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"];

/// This process's number among those on this machine.
fn local_rank() -> Result<u32, Box<dyn Error>> {
    let rank = RANKS.iter().find_map(|name| Some((name, env::var(name).ok()?)));
    let (name, value) = rank.ok_or_else(|| format!("no launcher set {}", RANKS.join(", ")))?;
    value.parse().map_err(|_| format!("{name}={value:?} is not a number").into())
}

/// The device of this rank, or the only one, if the launcher shows each process its own GPU.
fn device_of(driver: Driver, rank: u32) -> Result<Device, cuda_primary_context::Error> {
    driver.device(if driver.device_count() == 1 { 0 } else { rank })
}

fn work() -> Result<(), Box<dyn Error>> {
    let rank = local_rank()?;
    let driver = Driver::load()?;
    let guard = PrimaryContextGuard::retain_only(device_of(driver, rank)?)?;
    let devices = guard.report().devices();
    let outcomes = devices.map(|line| format!("{} {}", line.ordinal(), line.outcome().kind()));
    // One write: several workers share a terminal.
    let outcomes = outcomes.collect::<Vec<_>>().join(", ");
    println!("rank {rank} keeps device {}: {outcomes}", guard.device().ordinal());
    guard.report().check()?;

    // The worker works here, on the device that the guard keeps.
    Ok(())
}

fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}
