//! The built examples.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Builds an example, unless it is fresh, and returns its path. A test binary uses one.
pub fn example(name: &str) -> &'static Path {
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
