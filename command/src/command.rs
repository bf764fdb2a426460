//! The command: reads its arguments and runs the verb.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::iter;
use std::path::Path;

use clap::error::{ContextKind, ErrorKind};
use clap::{Parser, Subcommand};

use crate::launch::occupy_closed;
use crate::options;
use crate::{ps, run as keep_threads, trace};

const VERBS: &str = "The verbs are trace, ps and run: cuda-contexts trace -- COMMAND.";

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
    let first = arguments.get(1).map(|word| word.to_string_lossy()).unwrap_or_default();
    match error.kind() {
        ErrorKind::MissingSubcommand => format!("No verb was passed. {VERBS}"),
        ErrorKind::InvalidSubcommand => match error.get(ContextKind::InvalidSubcommand) {
            Some(word) => format!("{word} is not a verb. {VERBS}"),
            None => VERBS.to_owned(),
        },
        ErrorKind::MissingRequiredArgument => {
            format!("No program to run was passed: cuda-contexts {first} [OPTIONS] -- COMMAND.")
        }
        _ => {
            let text = error.to_string();
            let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
            let text = lines.collect::<Vec<_>>().join(" ");
            let text = text.trim_start_matches("error: ");
            if first.starts_with('-') {
                return format!("{text}. Options follow the verb. {VERBS}");
            }
            format!("{text}. cuda-contexts {first} --help describes the options.")
        }
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
