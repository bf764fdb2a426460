//! The command: from its options to its exit status.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::arena::{self, Arena, Settings};
use crate::driver_search;
use crate::file_error::with_path;
use crate::json::JsonLines;
use crate::launch::{Program, Signals, end_like, occupy_closed};
use crate::layout::{DEVELOPMENT_NAME, DRIVER_NAME, Layout};
use crate::live;
use crate::model::Model;
use crate::options::{self, DriverChoice, HELP, Options, Request};
use crate::record::Event;
use crate::report::{self, Styled, Surroundings};
use crate::symbols::Symbols;
use crate::untraced::{Untraced, Watch};

/// The command's own failures, as `env` and `timeout` have them.
const TRACING_FAILED: i32 = 125;
const CANNOT_RUN: i32 = 126;
const NOT_FOUND: i32 = 127;
/// By `--forbid`.
const STRAY: i32 = 3;

/// How often events are read.
const PAUSE: Duration = Duration::from_millis(20);

const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// Does what the arguments ask for; the exit status. To be called first in `main`: it holds signals
/// back for all threads that are started later, and no file may be opened before.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    occupy_closed();
    let options = match options::parse(arguments) {
        Ok(Request::Run(options)) => options,
        Ok(Request::Help) => return print(HELP),
        Ok(Request::Version) => {
            return print(&format!("cuda-contexts {}\n", env!("CARGO_PKG_VERSION")));
        }
        Err(error) => {
            say(format_args!("{error}; --help lists the options"));
            return TRACING_FAILED;
        }
    };
    let signals = Signals::hold();
    match trace(&options, signals) {
        // Here everything is tidied up already.
        Ok(Outcome { strays: true, .. }) if options.forbid => STRAY,
        Ok(Outcome { status, .. }) => end_like(status),
        Err(Failure::Tracing(error)) => {
            say(format_args!("{error}"));
            TRACING_FAILED
        }
        Err(Failure::Start(error)) => {
            let program = Path::new(&options.command[0]).display();
            say(format_args!("{program} cannot be run: {error}"));
            if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN }
        }
    }
}

/// How the program ended.
struct Outcome {
    status: ExitStatus,
    strays: bool,
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

fn trace(options: &Options, signals: Signals) -> Result<Outcome, Failure> {
    let mut json = match &options.json {
        Some(path) => Some(JsonLines::create(path).map_err(|error| with_path(error, path))?),
        None => None,
    };
    let Some(layout) = lay_out(options)? else {
        say(format_args!("there is no driver (libcuda.so.1) on this machine: nothing is traced"));
        return run_alone(options, signals, json);
    };
    let only = options.only.as_ref().map(ToString::to_string).unwrap_or_default();
    let settings = Settings {
        stack: options.stack,
        deny: options.deny,
        forbid: options.forbid,
        only: &only,
        ..Settings::default()
    };
    let events = layout.events();
    let arena = Arena::create(&events, settings).map_err(|error| with_path(error, &events))?;
    if let Some(lines) = &mut json {
        lines.begin(options, Some(layout.driver()))?;
    }
    let mut command = command(options);
    let before = env::var_os(LIBRARY_PATH);
    command.env(LIBRARY_PATH, layout.library_path(before.as_deref())?);
    command.env(arena::VARIABLE, layout.events());
    let mut program = Program::start(command, signals).map_err(Failure::Start)?;
    let watch = Watch::new(program.pid(), layout.folder(), layout.driver());
    let mut tracing = Tracing::new(options, arena, watch, json);
    let status = program.wait(PAUSE, || tracing.look(false))?;
    tracing.look(true);
    Ok(tracing.end(status))
}

/// The folder with the witness; `None` where there is no driver to put behind it.
fn lay_out(options: &Options) -> io::Result<Option<Layout>> {
    let searched = env::var_os(LIBRARY_PATH);
    let layout = match &options.driver {
        DriverChoice::Simulated => Layout::create_simulated()?,
        DriverChoice::Path(path) => {
            File::open(path).map_err(|error| with_path(error, path))?;
            if !driver_search::is_library(path) {
                let text = "that is no shared library for this machine";
                let error = io::Error::new(io::ErrorKind::InvalidInput, text);
                return Err(with_path(error, path));
            }
            Layout::create(&driver_search::behind_a_witness(path))?
        }
        DriverChoice::Loader => match driver_search::find(DRIVER_NAME, searched.as_deref()) {
            Some(driver) => Layout::create(&driver)?,
            None => return Ok(None),
        },
    };
    if driver_search::find(DEVELOPMENT_NAME, searched.as_deref()).is_some() {
        layout.add_development_name()?;
    }
    Ok(Some(layout))
}

fn command(options: &Options) -> Command {
    let mut command = Command::new(&options.command[0]);
    command.args(&options.command[1..]);
    command
}

/// Without the witness.
fn run_alone(
    options: &Options,
    signals: Signals,
    mut json: Option<JsonLines<File>>,
) -> Result<Outcome, Failure> {
    let started = Instant::now();
    if let Some(lines) = &mut json {
        lines.begin(options, None)?;
    }
    let mut program = Program::start(command(options), signals).map_err(Failure::Start)?;
    let status = program.wait(Duration::from_secs(60), || {})?;
    if let Some(lines) = &mut json {
        lines.end(started.elapsed(), status, &Model::default(), 0, &[])?;
        lines.flush()?;
    }
    Ok(Outcome { status, strays: false })
}

/// While the program runs.
struct Tracing<'options> {
    options: &'options Options,
    arena: Arena,
    watch: Watch,
    json: Option<JsonLines<File>>,
    model: Model,
    symbols: Symbols,
    untraced: Vec<Untraced>,
}

impl<'options> Tracing<'options> {
    fn new(
        options: &'options Options,
        arena: Arena,
        watch: Watch,
        json: Option<JsonLines<File>>,
    ) -> Self {
        let (model, symbols) = (Model::default(), Symbols::default());
        Self { options, arena, watch, json, model, symbols, untraced: Vec::new() }
    }

    fn look(&mut self, last: bool) {
        for (index, record) in self.arena.read(last).into_iter().enumerate() {
            if index % 1024 == 0 {
                self.arena.make_room();
            }
            self.model.add(&record);
            if let Event::Process(about) = &record.event {
                self.watch.add(about.host_pid.unwrap_or(record.pid), about.start);
            }
            if self.options.live {
                // Nobody may be reading.
                let _ =
                    live::write(&mut anstream::stderr(), &record, &self.model, &mut self.symbols);
            }
            let (model, symbols) = (&self.model, &mut self.symbols);
            to_json(&mut self.json, |lines| lines.record(&record, model, symbols));
        }
        for found in self.watch.look() {
            let time = self.arena.elapsed();
            to_json(&mut self.json, |lines| lines.untraced(time, &found));
            if self.options.live {
                let library = found.library.display();
                let text = format!("not traced: {library} in process {}", found.pid);
                say(format_args!("{}", Styled::warning(text)));
            }
            self.untraced.push(found);
        }
        to_json(&mut self.json, JsonLines::flush);
    }

    fn end(mut self, status: ExitStatus) -> Outcome {
        let time = self.arena.elapsed();
        let about = Surroundings {
            untraced: self.untraced,
            lost: self.arena.lost(),
            living: self.watch.living(),
            only: self.options.only.clone(),
            forbid: self.options.forbid,
            deny: self.options.deny,
        };
        let model = &self.model;
        to_json(&mut self.json, |lines| lines.end(time, status, model, about.lost, &about.living));
        let mut text = Vec::new();
        report::write(&mut text, model, &mut self.symbols, &about).expect("memory takes it");
        // Nobody may be reading.
        let _ = anstream::stderr().write_all(&text);
        Outcome { status, strays: model.strays().next().is_some() }
    }
}

/// A file that takes no more is said once, and is done with.
fn to_json(
    json: &mut Option<JsonLines<File>>,
    write: impl FnOnce(&mut JsonLines<File>) -> io::Result<()>,
) {
    if let Some(lines) = json {
        if let Err(error) = write(lines) {
            say(format_args!("the file of --json takes no more: {error}"));
            *json = None;
        }
    }
}

fn say(text: std::fmt::Arguments<'_>) {
    // Nobody may be reading.
    let _ = writeln!(anstream::stderr(), "cuda-contexts: {text}");
}

fn print(text: &str) -> i32 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => TRACING_FAILED,
    }
}
