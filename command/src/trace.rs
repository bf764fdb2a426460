//! The verb `trace`: from its options to its exit status.

mod files;
mod tracing;

use std::env;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::arena::{self, Arena, Settings};
use crate::command::{FAILED, cannot_run, say};
use crate::driver_search;
use crate::file_error::with_path;
use crate::json;
use crate::launch::{Limits, Program, Signals, end_like};
use crate::layout::{DEVELOPMENT_NAME, DRIVER_NAME, Layout};
use crate::model::Model;
use crate::options::Options;
use crate::report::Surroundings;
use crate::run as keep_threads;
use crate::untraced::Watch;
use crate::verdict::Verdict;
use crate::witness;

use files::Files;
use tracing::Tracing;

const STRAY: i32 = 3;

/// How often events are read.
const PAUSE: Duration = Duration::from_millis(20);

const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// Runs the program and returns the exit status. No thread may have been started before: signals are held
/// back for all threads that are started later.
pub fn run(options: &Options) -> i32 {
    match trace(options) {
        Ok((_, Verdict::Stray)) => STRAY,
        Ok((_, Verdict::NotJudged(_))) => FAILED,
        Ok((status, Verdict::Passed)) => end_like(status),
        Err(Failure::Tracing(error)) => {
            say(format_args!("{error}"));
            FAILED
        }
        Err(Failure::Start(error)) => {
            let status = cannot_run(&options.command[0], &error);
            let first = options.command[0].to_string_lossy();
            if options.forbid.is_some() && ["made", "held"].contains(&&*first) {
                say(format_args!("--forbid takes its value after '=': --forbid={first}"));
            }
            status
        }
    }
}

enum Failure {
    Tracing(io::Error),
    Start(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Tracing(error)
    }
}

/// When this returns, everything is tidied up already.
fn trace(options: &Options) -> Result<(ExitStatus, Verdict), Failure> {
    // Before signals are held: a FIFO waits for its reader, and that can be interrupted.
    let json = files::create("--json", options.json.as_ref())?;
    let output = files::create("--output", options.output.as_ref())?;
    let (limits, signals) = (Limits::lift(), Signals::hold()?);
    let mut files = Files::new(json, output)?;
    let Some(layout) = lay_out(options)? else {
        return run_alone(options, signals, limits, files);
    };
    let only = options.only.as_ref().map(ToString::to_string).unwrap_or_default();
    let settings = Settings {
        stack: options.stack,
        deny: options.deny,
        forbid: options.is_gate(),
        only: &only,
        ..Settings::default()
    };
    let events = layout.events();
    let arena = Arena::create(&events, settings).map_err(|error| with_path(error, &events))?;
    files.json(|| Some(json::trace(options, Some(&layout.driver))));
    let mut command = command(options)?;
    let before = env::var_os(LIBRARY_PATH);
    command.env(LIBRARY_PATH, layout.library_path(before.as_deref()));
    command.env(arena::VARIABLE, layout.events());
    // Tools that were written for cuda-context-trace look for the memory by this name.
    command.env("CUDA_CONTEXT_TRACE_ARENA", layout.events());
    let mut watch = Watch::new(layout.folder(), &layout.driver);
    let mut program = Program::start(command, signals, limits).map_err(Failure::Start)?;
    watch.program = program.pid();
    let mut tracing = Tracing::new(options, arena, watch, files);
    let status = program.wait(PAUSE, || tracing.look(false))?;
    tracing.look_at_the_rest();
    drop(layout);
    program.stop_holding_signals();
    Ok((status, tracing.end(status, program.interrupted)))
}

/// The folder with the witness; `None` if the program finds no driver.
fn lay_out(options: &Options) -> io::Result<Option<Layout>> {
    let find = |name| driver_search::find(name, &options.command[0]);
    let driver = match &options.driver {
        Some(path) if path.as_os_str() == "simulated" => {
            return Layout::create_simulated().map(Some);
        }
        Some(path) => Some(driver_search::behind_a_witness(path)),
        None => find(DRIVER_NAME),
    };
    let Some(driver) = driver else { return Ok(None) };
    check(&driver).map_err(|error| {
        let (path, advice) = (driver.display(), "Pass --driver PATH, or --driver simulated.");
        io::Error::other(format!("The driver {path} cannot be used: {error}. {advice}"))
    })?;
    let layout = Layout::create(&driver)?;
    if find(DEVELOPMENT_NAME).is_some() {
        layout.add_development_name()?;
    }
    Ok(Some(layout))
}

/// Whether a program can use this driver, behind a witness.
fn check(driver: &Path) -> io::Result<()> {
    File::open(driver)?;
    if !driver_search::is_library(driver) {
        return Err(io::Error::other("this is not a shared library for this machine"));
    }
    witness::check(driver)
}

fn command(options: &Options) -> io::Result<Command> {
    let mut command = Command::new(&options.command[0]);
    command.args(&options.command[1..]);
    if options.keep_threads {
        command.env(keep_threads::PRELOAD, keep_threads::preload(&keep_threads::library()?));
    }
    Ok(command)
}

/// Without a driver there is nothing to trace.
fn run_alone(
    options: &Options,
    signals: Signals,
    limits: Limits,
    mut files: Files,
) -> Result<(ExitStatus, Verdict), Failure> {
    let text = "No CUDA driver was found (libcuda.so.1), so nothing is traced.";
    if options.is_gate() && !options.allow_untraced {
        let text = format!("{text} The program was not started: pass --allow-untraced to run it.");
        return Err(Failure::Tracing(io::Error::other(text)));
    }
    // Before the program says that it fails.
    files.report(&format!("cuda-contexts: {text}\n"));
    let started = Instant::now();
    files.json(|| Some(json::trace(options, None)));
    let mut program = Program::start(command(options)?, signals, limits).map_err(Failure::Start)?;
    let status = program.wait(Duration::from_secs(60), || {})?;
    program.stop_holding_signals();
    let about = Surroundings { options: options.clone(), ..Surroundings::default() };
    files.json(|| Some(json::end(started.elapsed(), status, &Model::default(), &about)));
    files.finish(program.interrupted);
    Ok((status, Verdict::Passed))
}
