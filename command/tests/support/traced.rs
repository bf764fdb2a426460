//! Running `cuda-contexts trace` on the client and on other programs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::limit;
use crate::programs::CLIENT;

/// The command with its options, on the simulated driver with three devices, which keeps what it
/// makes in a folder of the test's own.
pub struct Trace {
    pub command: Command,
    folder: TempDir,
}

/// How it ended.
pub struct Traced {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub lines: Vec<Value>,
    /// What was left of the command's own files.
    pub left: Vec<PathBuf>,
}

impl Trace {
    pub fn new(options: &[&str]) -> Self {
        let mut trace = Self::without_driver(options);
        trace.command.args(["--driver", "simulated"]);
        trace
    }

    /// On the driver of this file.
    pub fn behind(driver: &Path, options: &[&str]) -> Self {
        let mut trace = Self::without_driver(options);
        trace.command.arg("--driver").arg(driver);
        trace
    }

    /// On the driver that the loader finds.
    pub fn without_driver(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("temporary")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-contexts"));
        command.env("TMPDIR", folder.path().join("temporary"));
        command.env("SIMULATED_CUDA_DEVICES", "3");
        for variable in
            ["LD_LIBRARY_PATH", "LOCAL_RANK", "RANK", "CUDA_VISIBLE_DEVICES", "NO_COLOR"]
        {
            command.env_remove(variable);
        }
        let events = folder.path().join("events.jsonl");
        command.stdin(Stdio::null()).args(["trace", "--json"]).arg(events).args(options);
        Self { command, folder }
    }

    /// The client with these words.
    pub fn client(mut self, words: &str) -> Self {
        self.command.arg("--").arg(CLIENT.as_path()).args(words.split_whitespace());
        self
    }

    pub fn program(mut self, words: &[&(impl AsRef<OsStr> + ?Sized)]) -> Self {
        self.command.arg("--").args(words);
        self
    }

    pub fn run(mut self) -> Traced {
        let output = limit::output(&mut self.command);
        self.ended(output)
    }

    pub fn ended(self, output: Output) -> Traced {
        let text = fs::read_to_string(self.folder.path().join("events.jsonl")).unwrap_or_default();
        let left = fs::read_dir(self.folder.path().join("temporary")).unwrap();
        Traced {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            lines: text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            left: left.map(|entry| entry.unwrap().path()).collect(),
        }
    }
}

impl Traced {
    /// The lines of one kind.
    pub fn events(&self, kind: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["event"] == kind).collect()
    }

    /// The calls of one function.
    pub fn calls(&self, function: &str) -> Vec<&Value> {
        self.events("call").into_iter().filter(|line| line["function"] == function).collect()
    }

    pub fn retains(&self) -> Vec<&Value> {
        self.calls("cuDevicePrimaryCtxRetain")
    }

    pub fn releases(&self) -> Vec<&Value> {
        self.calls("cuDevicePrimaryCtxRelease_v2")
    }

    pub fn end(&self) -> &Value {
        self.lines.last().expect("the last line")
    }

    #[track_caller]
    pub fn says(&self, text: &str) {
        assert!(self.stderr.contains(text), "no {text:?} in:\n{}", self.stderr);
    }

    #[track_caller]
    pub fn ended_with(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "{}\n{}", self.stdout, self.stderr);
        assert!(self.left.is_empty(), "{:?}", self.left);
    }
}

/// The client with these words, which must succeed.
#[track_caller]
pub fn trace(words: &str) -> Traced {
    trace_with(&[], words)
}

#[track_caller]
pub fn trace_with(options: &[&str], words: &str) -> Traced {
    let traced = Trace::new(options).client(words).run();
    traced.ended_with(0);
    traced
}

/// These fields of each line.
pub fn pick(lines: &[&Value], fields: &str) -> Value {
    let of = |line: &&Value| fields.split(' ').map(|field| line[field].clone()).collect::<Value>();
    lines.iter().map(of).collect()
}

/// Whether each call has a stack behind its caller.
pub fn have_stacks(calls: &[&Value]) -> Vec<bool> {
    calls.iter().map(|call| call["native"].as_array().unwrap().len() > 1).collect()
}

/// The last component of a path.
pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}
