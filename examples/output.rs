//! Where the examples write: results to standard output, messages to standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;

/// The exit status if the arguments are wrong.
pub const WRONG_ARGUMENTS: u8 = 2;

/// Prints the result and returns the exit status.
pub fn print(text: &str, status: u8) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        // A reader such as `head` may have seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(&format!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::from(status),
    }
}

/// Writes a message to standard error, if it is open.
pub fn say(message: &str) {
    let _ = writeln!(io::stderr(), "{}: {message}", env!("CARGO_CRATE_NAME"));
}

/// Prints the help, or what is wrong with the arguments, also as JSON if that was asked for. Returns the exit status.
pub fn print_instead(error: &clap::Error, json: bool) -> ExitCode {
    let text = error.to_string();
    if !error.use_stderr() {
        return print(&text, 0);
    }
    let _ = io::stderr().write_all(text.as_bytes());
    let first = text.split("\n\n").next().unwrap_or_default();
    let message = first.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    let object = if json { error_object("wrong_arguments", &message) } else { String::new() };
    print(&object, WRONG_ARGUMENTS)
}

/// Returns the JSON object for a failure of this kind.
pub fn error_object(kind: &str, message: &str) -> String {
    format!("{}\n", json!({ "error": { "kind": kind, "message": message } }))
}
