//! The built examples.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// A built example, which lies near this test's own executable. `cargo test` builds both; where this test
/// alone was asked for, the example may be missing or old, and is built here. A test binary asks for one.
pub fn example(name: &str) -> &'static Path {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let example = profile.join("examples").join(name);
        if is_fresh(&example) { example } else { build(name, profile.ends_with("release")) }
    })
}

/// Builds the example; where Cargo says that it is.
fn build(name: &str, release: bool) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--message-format=json", "--example", name]);
    cargo.args(release.then_some("--release"));
    cargo.args((!cfg!(feature = "bindgen")).then_some("--no-default-features"));
    let output = cargo.stderr(Stdio::inherit()).output().unwrap();
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let messages = text.lines().map(serde_json::from_str::<Value>);
    let mut executables =
        messages.filter_map(|message| Some(message.ok()?["executable"].as_str()?.into()));
    executables
        .next()
        .unwrap_or_else(|| panic!("cargo build --example {name} makes one executable"))
}

/// Whether an executable is newer than the sources that Cargo lists beside it.
fn is_fresh(executable: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let Ok(list) = fs::read_to_string(executable.with_extension("d")) else {
        return false;
    };
    let sources = list.replace("\\ ", "\0");
    let mut sources = sources.split_whitespace().skip(1).map(|path| path.replace('\0', " "));
    time(executable).is_some_and(|built| {
        sources.all(|source| time(source.as_ref()).is_some_and(|written| written <= built))
    })
}
