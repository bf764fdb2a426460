//! The report, as text and as JSON.

use std::fmt::Write;

use cuda_primary_context::checkpoint::nvml::DeviceMemory;
use cuda_primary_context::checkpoint::{CheckpointError, ProcessReport, Room, State, TreeProcess};
use serde_json::{Value, json};

#[derive(Default)]
pub struct Report {
    pub action: &'static str,
    pub tree: Vec<TreeProcess>,
    pub processes: Vec<(u32, Result<State, CheckpointError>)>,
    /// The steps of each process.
    pub steps: Vec<ProcessReport>,
    /// What the processes had on each device, where that is known.
    pub memory: Option<Vec<DeviceMemory>>,
    pub room: Option<Room>,
    pub error: Option<CheckpointError>,
}

impl Report {
    pub fn status(&self) -> u8 {
        u8::from(self.error.is_some() || self.processes.iter().any(|(_, state)| state.is_err()))
    }

    /// The arguments that resume what this run suspended.
    fn resume_with(&self) -> Option<String> {
        if self.action != "suspend" || self.error.is_some() {
            return None;
        }
        let mut arguments = String::from("--resume");
        for (pid, _) in &self.processes {
            let _ = write!(arguments, " --pid {pid}");
        }
        match &self.memory {
            Some(memory) => {
                for DeviceMemory { device, bytes } in memory {
                    let _ = write!(arguments, " --needs {device}={bytes}");
                }
            }
            None => arguments += " --force",
        }
        Some(arguments)
    }

    pub fn json(&self) -> String {
        let processes = self.processes.iter().map(|(pid, state)| {
            let steps = self.steps.iter().filter(|report| report.pid == *pid);
            let steps: Vec<Value> =
                steps.flat_map(|report| &report.steps).map(|step| json!(step)).collect();
            json!({
                "pid": pid,
                "state": state.as_ref().ok(),
                "error": state.as_ref().err(),
                "steps": steps,
            })
        });
        let object = json!({
            "action": self.action,
            "processes": processes.collect::<Vec<_>>(),
            "memory": self.memory,
            "room": self.room,
            "tree": self.tree,
            "resume": self.resume_with(),
            "error": self.error,
        });
        format!("{object}\n")
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for process in &self.tree {
            let files = match &process.device_files {
                Some(files) => format!("{} device files", files.len()),
                None => "unknown device files".to_owned(),
            };
            let command = process.command.to_string_lossy();
            let _ = writeln!(text, "tree     {}  {files}  {command}", process.pid);
        }
        for (pid, state) in &self.processes {
            let _ = match state {
                Ok(state) => writeln!(text, "process  {pid}  {state}"),
                Err(error) if error.is_without_cuda() => {
                    writeln!(text, "process  {pid}  does not use CUDA")
                }
                Err(error) => writeln!(text, "process  {pid}  {error}"),
            };
        }
        for DeviceMemory { device, bytes } in self.memory.iter().flatten() {
            let _ = writeln!(text, "memory   {device}={bytes}");
        }
        if let Some(arguments) = self.resume_with() {
            let _ = writeln!(text, "resume   {arguments}");
        }
        if let Some(error) = &self.error {
            let _ = writeln!(text, "failed   {error}");
        }
        text
    }
}
