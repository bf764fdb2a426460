//! Where the examples write: results to standard output, messages to standard error.

use std::io::{self, Write};
use std::process::ExitCode;

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
