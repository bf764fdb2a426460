//! The command: reads its arguments and runs the verb.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::iter;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::launch::occupy_closed;
use crate::options;
use crate::{ps, run as keep_threads, trace};

/// The command's own failures, as `env` and `timeout` have them.
pub(crate) const FAILED: i32 = 125;
const CANNOT_RUN: i32 = 126;
const NOT_FOUND: i32 = 127;

const AFTER: &str = "cuda-contexts trace --help describes the options of trace.";

/// Shows which processes hold CUDA contexts, and which code creates them.
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 90, after_help = AFTER)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
#[command(arg_required_else_help = false, subcommand_required = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Ps(ps::options::Options),
    Trace(options::Options),
    Run(keep_threads::Options),
}

/// Runs the verb that the arguments name and returns the exit status. Call this first in `main`: it
/// opens the standard streams that are closed, before any file takes their place.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    occupy_closed();
    let arguments: Vec<OsString> = iter::once("cuda-contexts".into()).chain(arguments).collect();
    match Arguments::try_parse_from(&arguments) {
        Ok(Arguments { verb: Verb::Ps(options) }) => ps::run(&options),
        Ok(Arguments { verb: Verb::Trace(options) }) => trace::run(&options),
        Ok(Arguments { verb: Verb::Run(options) }) => keep_threads::run(&options),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => print(&error.to_string()),
            ErrorKind::DisplayVersion => {
                print(concat!("cuda-contexts ", env!("CARGO_PKG_VERSION"), "\n"))
            }
            _ => {
                say(format_args!("{}", complaint(&error, &arguments)));
                FAILED
            }
        },
    }
}

/// What is wrong with these arguments, and where to read more.
fn complaint(error: &clap::Error, arguments: &[OsString]) -> String {
    let text = error.to_string().replace("subcommand", "verb");
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    let text = text.trim_start_matches("error: ").trim_end_matches('.');
    let first = arguments.get(1).and_then(|word| word.to_str());
    match first.filter(|word| ["ps", "trace", "run"].contains(word)) {
        Some(verb) => format!("{text}. cuda-contexts {verb} --help describes the options."),
        None => format!("{text}. cuda-contexts --help lists the verbs, which come before options."),
    }
}

/// Says that a program cannot be run, and returns the exit status for that.
pub(crate) fn cannot_run(program: &OsString, error: &io::Error) -> i32 {
    say(format_args!("{} cannot be run: {error}", Path::new(program).display()));
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN }
}

/// Prints a line of the command's own on standard error. A reader that has gone is ignored.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr(), "cuda-contexts: {text}");
}

/// Prints what the user asked for and returns the exit status.
pub(crate) fn print(text: &str) -> i32 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => FAILED,
    }
}
