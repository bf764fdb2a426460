//! Libraries in C that a test builds.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Builds a library of this source beside a driver's library, which it is linked to: nothing of it need be
/// used. `source` is a file of tests/simulated.
pub fn build<'a>(
    compiler: &Path,
    source: &str,
    library: &Path,
    more: impl IntoIterator<Item = &'a OsStr>,
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulated");
    let mut command = Command::new(compiler);
    command.args(["-shared", "-fPIC", "-Wall", "-Werror", "-Wl,--no-as-needed", "-o"]).arg(library);
    let output = command.arg(folder.join(source)).args(more).output().expect("the compiler runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
