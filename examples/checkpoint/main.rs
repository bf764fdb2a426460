//! Suspends processes that use GPUs and resumes them, by their ids.
//!
//! `cargo run --example checkpoint -- --help` lists the options.

mod memory;
mod options;
mod progress;
mod report;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use cuda_primary_context::checkpoint::nvml::NvmlError;
use cuda_primary_context::checkpoint::{
    CheckpointError, Checkpointed, Found, GpuMap, GroupError, Process, State, Suspended, suspend,
    tree,
};
use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Driver, PrimaryContext};
use serde_json::json;

use memory::Before;
use options::{Action, Options, Request};
use progress::Progress;
use report::{Host, Report};

const WRONG_ARGUMENTS: u8 = 2;
const NOTHING_TO_USE: u8 = 3;

/// Why nothing was done at all.
pub(crate) enum Failure {
    NoDriver(CheckpointError),
    NoProcess(String),
    NoRoomKnown(NvmlError),
    /// What a restore needs was not said.
    RoomNotTold,
    Arguments(CheckpointError),
}

impl Failure {
    fn message(&self) -> String {
        match self {
            Self::NoDriver(error) | Self::Arguments(error) => error.to_string(),
            Self::NoProcess(message) => message.clone(),
            Self::NoRoomKnown(error) => format!(
                "{error}; whether there is room for the restore cannot be seen: --force does \
                 without, and a process that finds no room is lost"
            ),
            Self::RoomNotTold => {
                "--resume needs --needs GPU=BYTES, as --suspend printed it, or --force".to_owned()
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::NoDriver(error) | Self::Arguments(error) => error.kind(),
            Self::NoProcess(_) => "no_process",
            Self::NoRoomKnown(error) => error.kind(),
            Self::RoomNotTold => "room_not_told",
        }
    }

    fn status(&self) -> u8 {
        if matches!(self, Self::Arguments(_)) { WRONG_ARGUMENTS } else { NOTHING_TO_USE }
    }
}

fn open(options: &Options, pid: u32) -> Result<Process, CheckpointError> {
    match &options.driver {
        // SAFETY: whoever runs this program says that the file is a driver.
        Some(path) => unsafe { Process::open_from(path, pid) },
        None => Process::open(pid),
    }
}

/// Opens what the options name; one that has ended is no process.
fn open_all(options: &Options, report: &mut Report) -> Result<Vec<Process>, Failure> {
    let refused = |error: CheckpointError| match error {
        CheckpointError::Load(_) => Failure::NoDriver(error),
        error => Failure::NoProcess(error.to_string()),
    };
    let mut processes = Vec::new();
    for &pid in &options.pids {
        processes.push(open(options, pid).map_err(refused)?);
    }
    if let Some(root) = options.tree {
        report.tree = tree(root).map_err(|error| Failure::NoProcess(error.to_string()))?;
        for member in &report.tree {
            match open(options, member.pid) {
                Ok(process) => {
                    let no_cuda = CUresult::CUDA_ERROR_NOT_INITIALIZED;
                    if process.state().map_err(|error| error.code()) != Err(Some(no_cuda)) {
                        processes.push(process);
                    }
                }
                Err(error @ CheckpointError::Load(_)) => return Err(refused(error)),
                // It ended meanwhile.
                Err(_) => {}
            }
        }
        if processes.is_empty() {
            return Err(Failure::NoProcess(format!("no process of the tree of {root} uses CUDA")));
        }
    }
    Ok(processes)
}

/// Handles of their own for the line that shows the progress.
fn watchers(options: &Options, pids: &[u32]) -> Vec<Process> {
    pids.iter().filter_map(|&pid| open(options, pid).ok()).collect()
}

/// What a failed group leaves: those that it locked are unlocked here.
fn note_failure(report: &mut Report, error: GroupError) {
    report.steps.extend(error.reports().iter().cloned());
    let (error, _) = error.into_parts();
    report.error = Some(error);
}

fn suspend_all(
    options: &Options,
    report: &mut Report,
    processes: Vec<Process>,
) -> Option<Suspended> {
    let pids: Vec<u32> = processes.iter().map(Process::pid).collect();
    let watched = watchers(options, &pids);
    let progress = Progress::begin("suspending", State::Checkpointed, watched, options.json);
    let limit = options.limit.unwrap_or(Duration::MAX);
    let result = suspend(processes, limit);
    drop(progress);
    report.host[1] = Some(Host::now(&pids));
    match result {
        Ok(suspended) => {
            report.steps.extend(suspended.reports().iter().cloned());
            Some(suspended)
        }
        Err(error) => {
            note_failure(report, error);
            None
        }
    }
}

fn resume_all(
    options: &Options,
    report: &mut Report,
    suspended: Suspended,
    map: &GpuMap,
) -> Result<(), Failure> {
    let needed = report.memory.clone().unwrap_or_default();
    let room = memory::room(options, &needed, map)?;
    report.room = Some(room.clone());
    let pids: Vec<u32> = suspended.processes().iter().map(Checkpointed::pid).collect();
    let watched = watchers(options, &pids);
    let progress = Progress::begin("resuming", State::Running, watched, options.json);
    let result = suspended.resume(map, &room);
    drop(progress);
    match result {
        Ok(resumed) => report.steps.extend(resumed.reports().iter().cloned()),
        Err(error) => note_failure(report, error),
    }
    Ok(())
}

/// Those found checkpointed; those found locked are unlocked, those running left alone.
fn take_up(report: &mut Report, processes: Vec<Process>) -> Suspended {
    let mut checkpointed = Vec::new();
    for process in processes {
        match process.take_up() {
            Found::Checkpointed(process) => checkpointed.push(process),
            Found::Locked(process) => {
                if let Err(error) = process.unlock() {
                    report.error.get_or_insert(error.into());
                }
            }
            _ => {}
        }
    }
    checkpointed.into_iter().collect()
}

fn map(options: &Options) -> Result<GpuMap, Failure> {
    // Where the kernel driver does not show its GPUs, the driver itself checks that all are named.
    let all = cuda_primary_context::checkpoint::machine_gpus().unwrap_or_default();
    match options.map.is_empty() {
        true => Ok(GpuMap::same()),
        false => GpuMap::new(options.map.iter().copied(), &all).map_err(Failure::Arguments),
    }
}

/// Does what the options say for these processes.
fn act(options: &Options, report: &mut Report, processes: Vec<Process>) -> Result<(), Failure> {
    let pids: Vec<u32> = processes.iter().map(Process::pid).collect();
    let map = map(options)?;
    report.host[0] = Some(Host::now(&pids));
    match options.action {
        Action::State => {}
        Action::Suspend | Action::Cycle => {
            let before = Before::of(&pids);
            if options.action == Action::Cycle && !options.force {
                before.is_known().map_err(Failure::NoRoomKnown)?;
            }
            report.memory = before.listed().map(<[_]>::to_vec);
            if let Some(suspended) = suspend_all(options, report, processes) {
                // A process that is suspended itself asks nothing of NVML: on driver 580 that waits for
                // itself, for ever.
                report.memory = match options.oneself {
                    true => None,
                    false => Some(before.needed()),
                };
                thread::sleep(options.hold);
                if options.action == Action::Cycle {
                    // Whoever has to resume them by hand needs to know what they had.
                    resume_all(options, report, suspended, &map)
                        .inspect_err(|_| say(&format!("suspended:\n{}", report.text())))?;
                }
            }
        }
        Action::Resume => {
            if !options.force && options.needs.is_empty() {
                return Err(Failure::RoomNotTold);
            }
            report.memory = Some(options.needs.clone());
            let suspended = take_up(report, processes);
            resume_all(options, report, suspended, &map)?;
        }
    }
    Ok(())
}

/// A context of this process's own on device 0, and the process as its own controller.
fn oneself(options: &Options) -> Result<(PrimaryContext, Process), Failure> {
    let no_driver = |error: cuda_primary_context::Error| Failure::NoDriver(error.into());
    let driver = match &options.driver {
        // SAFETY: whoever runs this program says that the file is a driver.
        Some(path) => unsafe { Driver::load_from(path) },
        None => Driver::load(),
    };
    let driver = driver.map_err(no_driver)?;
    let device = driver.device(0).map_err(no_driver)?;
    let context = PrimaryContext::retain(device).map_err(no_driver)?;
    let process = Process::open_with(driver, std::process::id()).map_err(Failure::NoDriver)?;
    Ok((context, process))
}

fn run(options: &Options) -> Result<Report, Failure> {
    let mut report = Report {
        action: options.action,
        tree: Vec::new(),
        processes: Vec::new(),
        steps: Vec::new(),
        memory: None,
        room: None,
        host: [None, None, None],
        error: None,
    };
    let (context, processes) = match options.oneself {
        true => {
            let (context, process) = oneself(options)?;
            (Some(context), vec![process])
        }
        false => (None, open_all(options, &mut report)?),
    };
    let pids: Vec<u32> = processes.iter().map(Process::pid).collect();
    act(options, &mut report, processes)?;
    report.host[2] = Some(Host::now(&pids));
    for pid in pids {
        report.processes.push((pid, open(options, pid).and_then(|process| process.state())));
    }
    drop(context);
    Ok(report)
}

fn main() -> ExitCode {
    // Also where the arguments are wrong, and nobody knows what else they say.
    let json = env::args_os().any(|argument| argument == "--json");
    let failed = |kind: &str, message: &str| match json {
        true => format!("{}\n", json!({ "error": { "kind": kind, "message": message } })),
        false => String::new(),
    };
    let (text, status) = match options::from_command_line() {
        Ok(Request::Help) => (options::HELP.to_owned(), 0),
        Ok(Request::Run(options)) => match run(&options) {
            Ok(report) => {
                let text = if options.json { report.json() } else { report.text() };
                (text, report.status())
            }
            Err(failure) => {
                let message = failure.message();
                say(&message);
                (failed(failure.kind(), &message), failure.status())
            }
        },
        Err(message) => {
            say(&format!("{message} (--help lists the options)"));
            (failed("wrong_arguments", &message), WRONG_ARGUMENTS)
        }
    };
    match io::stdout().write_all(text.as_bytes()) {
        // A reader that has seen enough, such as `head`, is none of our business.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(&format!("cannot write to standard output: {error}"));
            ExitCode::from(1)
        }
        _ => ExitCode::from(status),
    }
}

/// Tells the user something apart from the output. Where nobody listens, that is all right.
fn say(message: &str) {
    let _ = writeln!(io::stderr(), "checkpoint: {message}");
}
