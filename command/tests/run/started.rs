//! Running programs under the command, or without it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::limit::printed;
use crate::programs::{CLIENT, installed_driver};

/// A driver with three devices.
pub static DRIVER: LazyLock<(TempDir, PathBuf)> = LazyLock::new(installed_driver);

/// Lets a program find the driver.
pub fn with_driver(command: &mut Command) {
    let folder = DRIVER.0.path();
    command.env("LD_LIBRARY_PATH", folder).env("XDG_CACHE_HOME", folder);
    command.env("SIMULATED_CUDA_DEVICES", "3").env_remove("CUDA_VISIBLE_DEVICES");
    command.env_remove("LD_PRELOAD").stdin(Stdio::null());
}

/// The command with this verb, in an environment with the driver.
pub fn command(verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-contexts"));
    with_driver(&mut command);
    command.arg(verb);
    command
}

/// What the client prints under the command, in one line.
#[track_caller]
pub fn client(words: &str, variables: &[(&str, &str)]) -> String {
    let mut command = command("run");
    command.envs(variables.iter().copied()).arg("--").arg(&*CLIENT);
    let text = printed(command.args(words.split_whitespace()));
    text.lines().collect::<Vec<_>>().join(", ")
}

/// The same, and the calls of the driver in their order.
#[track_caller]
pub fn client_and_calls(words: &str, preloaded: &str) -> (String, Vec<String>) {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let variables = [("SIMULATED_CUDA_LOG", log.to_str().unwrap()), ("LD_PRELOAD", preloaded)];
    let line = client(words, &variables);
    let call = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["function"].as_str().unwrap().to_owned()
    };
    (line, fs::read_to_string(log).unwrap().lines().map(call).collect())
}
