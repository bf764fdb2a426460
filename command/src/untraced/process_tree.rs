//! The processes that a process has started, from `/proc`.

use std::fs;
use std::path::PathBuf;

use crate::processes::status_field;

/// A process: its id, and when it began, for ids are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    pub pid: u32,
    /// In clock ticks since the machine was started.
    pub start: u64,
}

impl Process {
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // The name before the last bracket may have spaces and brackets; the beginning is field 22.
        let fields = &stat[stat.rfind(')')? + 1..];
        let mut fields = fields.split_whitespace();
        if fields.next()? == "Z" {
            return None; // it has ended already
        }
        Some(Self { pid, start: fields.nth(18)?.parse().ok()? })
    }

    pub fn lives(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    pub fn effective_user(&self) -> Option<u32> {
        status_field(&self.file("status"), "Uid:")?.get(1).copied()
    }

    pub fn command(&self) -> String {
        let words = fs::read(self.file("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        words.trim_end().to_owned()
    }
}

/// The process and all that it has started, and they in turn.
pub fn descendants(pid: u32) -> Vec<Process> {
    let mut found = Vec::from_iter(Process::of(pid));
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let children = children(process.pid);
        found.extend(children.into_iter().filter_map(Process::of));
        next += 1;
    }
    found
}

/// Processes that were started with this text in their environment, other than this one.
pub fn with_environment(text: &[u8]) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != std::process::id())
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.windows(text.len().max(1)).any(|part| part == text)
        })
        .filter_map(Process::of)
        .collect()
}

/// Each thread has those that it started.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().map(str::parse).collect::<Vec<_>>())
        .flatten()
        .collect()
}
