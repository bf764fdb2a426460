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

/// Writes what is wrong with the arguments. Returns the output, which is empty unless JSON was asked for, and
/// the exit status.
pub fn wrong_arguments(message: &str, json: bool) -> (String, u8) {
    say(&format!("{message} (--help lists the options)"));
    let text = if json { error_object("wrong_arguments", message) } else { String::new() };
    (text, WRONG_ARGUMENTS)
}

/// Returns the JSON object for a failure of this kind.
pub fn error_object(kind: &str, message: &str) -> String {
    format!("{}\n", json!({ "error": { "kind": kind, "message": message } }))
}
