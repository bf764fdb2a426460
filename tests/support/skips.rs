//! What a test needs and this machine lacks.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Names, separated by commas, what a test run must have.
const REQUIRE: &str = "CUDA_PRIMARY_CONTEXT_REQUIRE";

/// How the line begins that says what is not tested.
pub const SKIPPED: &str = "skipped: ";

/// Says that something is not tested, in one line: `skipped: WHAT: REASON`. Fails where the run must
/// have what is missing, by its name.
pub fn skip(need: &str, what: &str, reason: &str) {
    assert!(!is_required(need), "{REQUIRE} names {need}, which {what} lacks: {reason}");
    say(&format!("{SKIPPED}{what}: {reason}"));
}

/// Says what a test's own process skipped, which the test has skipped; and what else it wrote.
pub fn pass_on(errors: &[u8]) -> String {
    let errors = String::from_utf8_lossy(errors);
    let (skipped, others): (Vec<&str>, Vec<&str>) =
        errors.split_inclusive('\n').partition(|line| line.starts_with(SKIPPED));
    skipped.iter().for_each(|line| say(line.trim_end()));
    others.concat()
}

pub fn is_required(need: &str) -> bool {
    let required = env::var(REQUIRE).unwrap_or_default();
    required.split(',').any(|name| name.trim() == need)
}

/// Past the test harness, which shows what a passing test prints only with --nocapture.
pub fn say(line: &str) {
    // Nobody may be listening. One write, so that lines of two tests do not mix.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// The C compiler; where there is none, says so.
pub fn compiler(what: &str) -> Option<PathBuf> {
    let compiler = PathBuf::from(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    let runs = Command::new(&compiler).arg("--version").stdout(Stdio::null()).status();
    match runs {
        Ok(status) if status.success() => Some(compiler),
        Ok(status) => {
            skip("cc", what, &format!("{} --version: {status}", compiler.display()));
            None
        }
        Err(error) => {
            skip("cc", what, &format!("{}: {error}", compiler.display()));
            None
        }
    }
}
