//! Suspends processes that use GPUs and resumes them, by their ids.
//!
//! `cargo run -p examples --features nvml --example checkpoint -- --help` lists the options.

mod memory;
mod options;
#[path = "../output.rs"]
mod output;
mod progress;
mod report;

use std::collections::HashMap;
use std::env;
use std::process::ExitCode;

use clap::Parser;
use cuda_primary_context::checkpoint::nvml::NvmlError;
use cuda_primary_context::checkpoint::{
    CheckpointError, GpuMap, GroupError, Process, StepReport, Steps, TreeProcess, tree,
};

use memory::Before;
use options::Options;
use output::{WRONG_ARGUMENTS, error_object, print, print_instead, say};
use progress::Progress;
use report::Report;

const NOTHING_TO_USE: u8 = 3;

const WITH_FORCE: &str = "--force skips the check, but a process that finds no room is lost.";

/// Why the program stopped before its first step.
pub(crate) struct Failure {
    kind: &'static str,
    message: String,
    status: u8,
}

impl Failure {
    fn of(error: &CheckpointError) -> Self {
        Self { kind: error.kind(), message: error.to_string(), status: NOTHING_TO_USE }
    }

    fn no_process(message: String) -> Self {
        Self { kind: "no_process", message, status: NOTHING_TO_USE }
    }

    fn no_room_known(error: &NvmlError) -> Self {
        let message = format!("Room for the restore cannot be checked: {error}. {WITH_FORCE}");
        Self { kind: error.kind(), message, status: NOTHING_TO_USE }
    }
}

fn open(options: &Options, pid: u32) -> Result<Process, CheckpointError> {
    match &options.driver {
        // SAFETY: the user passed the file as a driver.
        Some(path) => unsafe { Process::open_from(path, pid) },
        None => Process::open(pid),
    }
}

/// Opens the processes that the options name. A process that has ended is an error.
fn open_all(options: &Options, report: &mut Report) -> Result<Vec<Process>, Failure> {
    let refused = |error: CheckpointError| match error {
        CheckpointError::Load(_) => Failure::of(&error),
        error => Failure::no_process(error.to_string()),
    };
    let mut processes = Vec::new();
    for &pid in &options.pids {
        processes.push(open(options, pid).map_err(refused)?);
    }
    if let Some(root) = options.tree {
        report.tree = tree(root).map_err(|error| Failure::no_process(error.to_string()))?;
        let named = |member: &&TreeProcess| options.pids.contains(&member.pid);
        for member in report.tree.iter().filter(|member| !named(member)) {
            match open(options, member.pid) {
                Ok(process) => {
                    if !process.state().is_err_and(|error| error.is_without_cuda()) {
                        processes.push(process);
                    }
                }
                Err(error @ CheckpointError::Load(_)) => return Err(refused(error)),
                // It ended meanwhile.
                Err(_) => {}
            }
        }
        if processes.is_empty() {
            let message = format!("No process of the tree of {root} uses CUDA.");
            return Err(Failure::no_process(message));
        }
    }
    Ok(processes)
}

/// Notes why a group failed, and unlocks what it left locked.
fn note_failure(report: &mut Report, error: GroupError) {
    report.steps.extend(error.reports().iter().cloned());
    let (error, _) = error.into_parts();
    report.error = Some(error);
}

/// Takes the steps of a group and shows their progress.
fn with_progress<T>(
    options: &Options,
    progress: Progress,
    action: impl FnOnce(Steps<'_>) -> T,
) -> T {
    let hear = |pid: u32, step: &StepReport| progress.step(pid, step);
    let steps = Steps::new().on_step(&hear);
    action(options.at_once.map_or(steps, |processes| steps.at_once(processes)))
}

/// Suspends the processes, and notes what a restore needs.
fn suspend_all(options: &Options, report: &mut Report, processes: Vec<Process>) {
    let pids: Vec<u32> = processes.iter().map(Process::pid).collect();
    let Before { listed, of_processes } = Before::of(&pids);
    let progress = Progress::begin("suspending", processes.len(), of_processes, options.json);
    match with_progress(options, progress, |steps| steps.suspend(processes, options.limit)) {
        Err(error) => note_failure(report, error),
        Ok(suspended) => {
            report.steps.extend(suspended.reports().iter().cloned());
            if let Err(error) = &listed {
                say(&Failure::no_room_known(error).message);
            }
        }
    }
    report.memory = listed.ok().filter(|memory| !memory.is_empty());
}

/// Checks the room and resumes the processes.
fn resume_all(
    options: &Options,
    report: &mut Report,
    processes: Vec<Process>,
) -> Result<(), Failure> {
    if !options.force && options.needs.is_empty() {
        let message = "--resume requires --needs GPU=BYTES, which --suspend printed, or --force.";
        return Err(Failure {
            kind: "room_unknown",
            message: message.to_owned(),
            status: NOTHING_TO_USE,
        });
    }
    let map = map(options)?;
    let room = memory::room(options, &options.needs, &map)?;
    report.memory = Some(options.needs.clone());
    report.room = Some(room.clone());
    let progress = Progress::begin("resuming", processes.len(), HashMap::new(), options.json);
    match with_progress(options, progress, |steps| steps.recover(processes, &map, &room)) {
        Ok(resumed) => report.steps.extend(resumed.reports().iter().cloned()),
        Err(error) => note_failure(report, error),
    }
    Ok(())
}

fn map(options: &Options) -> Result<GpuMap, Failure> {
    // If the kernel driver does not list its GPUs, the driver itself checks that all are named.
    let all = cuda_primary_context::checkpoint::machine_gpus().unwrap_or_default();
    match options.map.is_empty() {
        true => Ok(GpuMap::same()),
        false => GpuMap::new(options.map.iter().copied(), &all)
            .map_err(|error| Failure { status: WRONG_ARGUMENTS, ..Failure::of(&error) }),
    }
}

fn run(options: &Options) -> Result<Report, Failure> {
    let mut report = Report { action: options.action(), ..Report::default() };
    let processes = open_all(options, &mut report)?;
    let pids: Vec<u32> = processes.iter().map(Process::pid).collect();
    if options.suspend {
        suspend_all(options, &mut report, processes);
    } else if options.resume {
        resume_all(options, &mut report, processes)?;
    }
    for pid in pids {
        report.processes.push((pid, open(options, pid).and_then(|process| process.state())));
    }
    Ok(report)
}

fn main() -> ExitCode {
    // Read even if the other arguments are wrong.
    let json = env::args_os().any(|argument| argument == "--json");
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return print_instead(&error, json),
    };
    let (text, status) = match run(&options) {
        Ok(report) => (if json { report.json() } else { report.text() }, report.status()),
        Err(failure) => {
            say(&failure.message);
            let object = || error_object(failure.kind, &failure.message);
            (if json { object() } else { String::new() }, failure.status)
        }
    };
    print(&text, status)
}
