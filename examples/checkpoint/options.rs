//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use cuda_primary_context::checkpoint::GpuPair;
use cuda_primary_context::checkpoint::nvml::DeviceMemory;

const AFTER: &str = "\
Each step is printed to standard error with its time, unless --json is given.

Exit status: 0 if every step succeeded, 1 if a process failed, 2 if the arguments
are wrong, 3 if there is no usable driver, no such process, or no way to check the
room.";

/// Suspend processes that use GPUs, so that their devices are free, and resume them.
#[derive(Parser)]
#[command(after_help = AFTER, group = ArgGroup::new("action").required(true))]
pub struct Options {
    /// Print the state of each process
    #[arg(long, group = "action")]
    pub state: bool,
    /// Lock and checkpoint the processes
    #[arg(long, group = "action")]
    pub suspend: bool,
    /// Restore and unlock them; one that is only locked is unlocked
    #[arg(long, group = "action")]
    pub resume: bool,
    /// A process. May be given several times
    #[arg(long = "pid", value_name = "N", required_unless_present = "tree")]
    pub pids: Vec<u32>,
    /// Those of a process and its descendants that use CUDA
    #[arg(long, value_name = "PID")]
    pub tree: Option<u32>,
    /// How long to wait for running GPU work. 0: no limit
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = limit)]
    pub limit: Duration,
    /// How many are checkpointed or restored at once [default: all]
    #[arg(long, value_name = "N")]
    pub at_once: Option<usize>,
    /// Use another GPU. Takes unique ids. Name every GPU of the machine, also
    /// those that stay the same
    #[arg(long, value_name = "OLD=NEW", conflicts_with_all = ["state", "suspend"], value_parser = gpu_pair)]
    #[arg(verbatim_doc_comment)]
    pub map: Vec<GpuPair>,
    /// The memory that the processes used on this GPU (its unique id).
    /// --suspend prints it, and NVML no longer knows it
    #[arg(long, value_name = "GPU=BYTES", conflicts_with_all = ["state", "suspend"], value_parser = memory)]
    #[arg(verbatim_doc_comment)]
    pub needs: Vec<DeviceMemory>,
    /// Do not check the room. A process that finds no room is lost
    #[arg(long)]
    pub force: bool,
    /// Use this driver library instead of libcuda.so.1
    #[arg(long, value_name = "PATH")]
    pub driver: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Options {
    pub fn action(&self) -> &'static str {
        match (self.suspend, self.resume) {
            (true, _) => "suspend",
            (_, true) => "resume",
            _ => "state",
        }
    }
}

fn limit(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "it is not a number of seconds")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Ok(Duration::MAX),
        limit => limit.map_err(|error| error.to_string()),
    }
}

fn gpu_pair(text: &str) -> Result<GpuPair, &'static str> {
    let (old, new) = pair(text).ok_or("it is not OLD=NEW")?;
    Ok(GpuPair { old, new })
}

fn memory(text: &str) -> Result<DeviceMemory, &'static str> {
    let (device, bytes) = pair(text).ok_or("it is not GPU=BYTES")?;
    Ok(DeviceMemory { device, bytes })
}

fn pair<A: FromStr, B: FromStr>(text: &str) -> Option<(A, B)> {
    let (a, b) = text.split_once('=')?;
    Some((a.parse().ok()?, b.parse().ok()?))
}
