//! A machine whose NVML lists what a test says.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::documentation::documented;
use crate::limit::{self, printed};
use crate::programs::{compile, source};

/// The stand-in. The loader finds it in its folder.
static LIBRARY: LazyLock<PathBuf> =
    LazyLock::new(|| compile("libnvidia-ml.so.1", &[source("ps/nvml.c")], &["-shared", "-fPIC"]));

pub struct Machine {
    folder: TempDir,
}

impl Machine {
    /// The first line is the number of GPUs; see `nvml.c` for the others.
    pub fn new(lines: &str) -> Self {
        let machine = Self { folder: TempDir::new().unwrap() };
        machine.change(lines);
        machine
    }

    /// Lists something else from now on.
    pub fn change(&self, lines: &str) {
        let next = self.folder.path().join("next");
        fs::write(&next, lines).unwrap();
        fs::rename(next, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("nvml")
    }

    pub fn command(&self, options: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-contexts"));
        command.env("LD_LIBRARY_PATH", LIBRARY.parent().unwrap()).env("NVML_STAND_IN", self.file());
        command.arg("ps").args(options.split_whitespace()).stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub fn ps(&self, options: &str) -> Output {
        limit::output(&mut self.command(options))
    }

    /// What it prints when it succeeds.
    #[track_caller]
    pub fn page(&self, options: &str) -> String {
        printed(&mut self.command(options))
    }

    #[track_caller]
    pub fn json(&self, options: &str) -> Vec<Value> {
        let text = self.page(&format!("--json {options}"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Compares the fields of a line with the README, which has each of them and no other.
#[track_caller]
pub fn is_documented(line: &Value) {
    let mut written: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
    written.remove("event");
    assert_eq!(written, documented(line["event"].as_str().unwrap()));
}

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A process that does nothing for a minute, with a launcher's variables.
pub struct Worker(Child);

impl Worker {
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sleep");
        Self(command.arg("60").envs(variables.iter().copied()).spawn().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
