//! The built examples.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// An example with these arguments, and nothing in its environment that it reads.
pub fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(example(name));
    command.args(arguments).env_remove("LOCAL_RANK");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CUDA_") || name.starts_with("SIMULATED_CUDA_") {
            command.env_remove(&*name);
        }
    }
    command
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The one object that a run with `--json` prints, after the check of its exit status.
#[track_caller]
pub fn object(output: &Output, status: i32) -> Value {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    let lines = text(&output.stdout);
    assert!(lines.ends_with('\n') && lines.lines().count() == 1, "one line: {lines}");
    serde_json::from_str(lines).unwrap()
}

/// The object of a run that refuses its arguments with these words.
pub fn is_refused(output: &Output, words: &str) {
    let object = object(output, 2);
    assert_eq!(object["error"]["kind"], "wrong_arguments");
    let message = object["error"]["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
    let stderr = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(stderr.starts_with(&format!("error: {message}")), "{stderr}");
    assert!(stderr.ends_with("For more information, try '--help'."), "{stderr}");
}

/// Builds an example, unless it is fresh, and returns its path. A test binary uses one.
fn example(name: &str) -> &'static Path {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| build(name))
}

fn build(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--message-format=json", "--example", name]);
    cargo.args(["--features", "examples/nvml"]);
    cargo.args((!cfg!(debug_assertions)).then_some("--release"));
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
