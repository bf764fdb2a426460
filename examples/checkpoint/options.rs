//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cuda_primary_context::Uuid;
use cuda_primary_context::checkpoint::GpuPair;
use cuda_primary_context::checkpoint::nvml::DeviceMemory;
use lexopt::{Arg, Parser};

use crate::arguments::{os_value, value};

pub const HELP: &str = "\
Suspend processes that use GPUs, so that their devices are free, and resume them.

Usage: cargo run -p examples --example checkpoint -- ACTION PROCESSES [OPTIONS]

Actions (one is required):
  --state           print the state of each process
  --suspend         lock and checkpoint the processes
  --resume          restore and unlock them; one that is only locked is unlocked

Processes:
  --pid N           a process. May be given several times
  --tree PID        those of a process and its descendants that use CUDA

Options:
  --limit SECONDS   how long to wait for running GPU work. 0: no limit [default: 10]
  --at-once N       how many are checkpointed or restored at once [default: all]
  --map OLD=NEW     with --resume: use another GPU. Takes unique ids. Name every GPU
                    of the machine, also those that stay the same
  --needs GPU=BYTES with --resume: the memory that the processes used on this GPU (its
                    unique id). --suspend prints it, and NVML no longer knows it
  --force           do not check the room. A process that finds no room is lost
  --driver PATH     use this driver library instead of libcuda.so.1
  --json            print one JSON object
  -h, --help        print this

Exit status: 0 if every step succeeded, 1 if a process failed, 2 if the arguments
are wrong, 3 if there is no usable driver, no such process, or no way to check the
room.
";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    State,
    Suspend,
    Resume,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }
}

pub enum Request {
    Help,
    Run(Options),
}

pub struct Options {
    pub action: Action,
    pub pids: Vec<u32>,
    pub tree: Option<u32>,
    /// `None`: no limit.
    pub limit: Option<Duration>,
    pub at_once: Option<usize>,
    pub map: Vec<GpuPair>,
    pub needs: Vec<DeviceMemory>,
    pub force: bool,
    pub driver: Option<PathBuf>,
    pub json: bool,
}

/// Reads the options. An error is a sentence about what is wrong.
pub fn from_command_line() -> Result<Request, String> {
    let mut actions = Vec::new();
    let mut options = Options {
        action: Action::State,
        pids: Vec::new(),
        tree: None,
        limit: Some(Duration::from_secs(10)),
        at_once: None,
        map: Vec::new(),
        needs: Vec::new(),
        force: false,
        driver: None,
        json: false,
    };
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("state") => actions.push(Action::State),
            Arg::Long("suspend") => actions.push(Action::Suspend),
            Arg::Long("resume") => actions.push(Action::Resume),
            Arg::Long("pid") => options.pids.push(value(&mut parser, "--pid", "a process id")?),
            Arg::Long("tree") => options.tree = Some(value(&mut parser, "--tree", "a process id")?),
            Arg::Long("limit") => {
                let limit = seconds(&mut parser, "--limit")?;
                options.limit = (!limit.is_zero()).then_some(limit);
            }
            Arg::Long("at-once") => {
                options.at_once = Some(value(&mut parser, "--at-once", "a number of processes")?);
            }
            Arg::Long("map") => {
                let (old, new) = pair::<Uuid, Uuid>(&mut parser, "--map", "OLD=NEW")?;
                options.map.push(GpuPair { old, new });
            }
            Arg::Long("needs") => {
                let (device, bytes) = pair(&mut parser, "--needs", "GPU=BYTES")?;
                options.needs.push(DeviceMemory { device, bytes });
            }
            Arg::Long("force") => options.force = true,
            Arg::Long("driver") => {
                let path = os_value(&mut parser, "--driver", "the path of a driver library")?;
                options.driver = Some(path.into());
            }
            Arg::Long("json") => options.json = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(Request::Help),
            _ => return Err(argument.unexpected().to_string()),
        }
    }
    let [action] = actions[..] else {
        return Err("one action is required: --state, --suspend or --resume".to_owned());
    };
    options.action = action;
    for (option, is_given) in
        [("--map", !options.map.is_empty()), ("--needs", !options.needs.is_empty())]
    {
        if is_given && action != Action::Resume {
            return Err(format!("{option} can only be used with --resume"));
        }
    }
    if options.pids.is_empty() && options.tree.is_none() {
        return Err("name the processes with --pid or --tree".to_owned());
    }
    Ok(Request::Run(options))
}

fn seconds(parser: &mut Parser, option: &str) -> Result<Duration, String> {
    let seconds: f64 = value(parser, option, "a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{option}: {error}"))
}

fn pair<A: FromStr, B: FromStr>(
    parser: &mut Parser,
    option: &str,
    accepted: &str,
) -> Result<(A, B), String> {
    let text: String = value(parser, option, accepted)?;
    let parts = text.split_once('=').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    parts.ok_or_else(|| format!("{option} takes {accepted}, not {text:?}"))
}
