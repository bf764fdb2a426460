//! The command: finds the verb and runs it.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};

use crate::launch::occupy_closed;
use crate::{ps, run as keep_threads, trace};

/// The command's own failure, as `env` and `timeout` have it.
pub const FAILED: i32 = 125;

/// What the command can do.
struct Verb {
    name: &'static str,
    summary: &'static str,
    /// Gets what follows the verb and returns the exit status.
    run: fn(Vec<OsString>) -> i32,
}

const VERBS: &[Verb] = &[
    Verb { name: "ps", summary: "show which processes hold contexts right now", run: ps::run },
    Verb {
        name: "trace",
        summary: "show who creates and holds contexts in a program that it runs",
        run: trace::run,
    },
    Verb {
        name: "run",
        summary: "run a program whose new threads stay on their creator's device",
        run: keep_threads::run,
    },
];

/// Runs the verb that the arguments name and returns the exit status. Call this first in `main`: it
/// opens the standard streams that are closed, before any file takes their place.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    occupy_closed();
    let mut arguments = arguments.into_iter();
    let Some(first) = arguments.next() else {
        say(format_args!("A verb is missing. cuda-contexts --help lists the verbs."));
        return FAILED;
    };
    if let Some(verb) = VERBS.iter().find(|verb| first == verb.name) {
        return (verb.run)(arguments.collect());
    }
    match first.to_str() {
        Some("-h" | "--help" | "help") => print(&help()),
        Some("-V" | "--version") => print_version(),
        _ => {
            let first = first.to_string_lossy();
            say(format_args!("Unknown verb {first}. cuda-contexts --help lists the verbs."));
            FAILED
        }
    }
}

fn help() -> String {
    let mut text = String::from(
        "Shows which processes hold CUDA contexts, and which code creates them.\n\n\
         Usage: cuda-contexts VERB [OPTIONS] [ARGUMENTS...]\n\nVerbs:\n",
    );
    for verb in VERBS {
        text += &format!("  {:6} {}\n", verb.name, verb.summary);
    }
    text + "\ncuda-contexts VERB --help lists the options of a verb.\n"
}

/// Prints a line of the command's own on standard error. A reader that has gone is ignored.
pub fn say(text: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr(), "cuda-contexts: {text}");
}

/// Prints what the user asked for and returns the exit status.
pub fn print(text: &str) -> i32 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => FAILED,
    }
}

/// Prints the version and returns the exit status.
pub fn print_version() -> i32 {
    print(&format!("cuda-contexts {}\n", env!("CARGO_PKG_VERSION")))
}
