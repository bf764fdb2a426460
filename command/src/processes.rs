//! Processes and threads, looked up in `/proc`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
        command_line(self.pid).join(" ")
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

/// Processes that were started with this text in their environment, other than this one. Also whether a process
/// is just replacing its program: until then, its command line and its environment are empty.
pub fn with_environment(text: &[u8]) -> (Vec<Process>, bool) {
    let mut one_is_starting = false;
    let has_text = |pid: &u32| {
        let read = |name| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let (command, environment) = (read("cmdline"), read("environ"));
        // The kernel's own threads have no program.
        one_is_starting |= command.is_empty()
            && environment.is_empty()
            && fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        environment.windows(text.len().max(1)).any(|part| part == text)
    };
    let others = ids().filter(|&pid| pid != std::process::id());
    (others.filter(has_text).filter_map(Process::of).collect(), one_is_starting)
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

/// The id that a process has in this command's namespace. A container's processes have other ids in
/// their own one.
pub fn host_pid(pid: u32, pid_namespace: u64) -> Option<u32> {
    let own = fs::metadata("/proc/self/ns/pid").ok()?.ino();
    if pid_namespace == own || pid_namespace == 0 {
        return Some(pid);
    }
    let mut ids = ids().filter(|id| {
        let namespace = fs::metadata(format!("/proc/{id}/ns/pid"));
        namespace.is_ok_and(|namespace| namespace.ino() == pid_namespace)
    });
    ids.find(|id| inner_id(&format!("/proc/{id}")) == Some(pid))
}

/// The name of a living thread. `pid` is of this command's namespace, `tid` of the process's own.
pub fn thread_name(pid: u32, tid: u32) -> Option<String> {
    let folder = format!("/proc/{pid}/task");
    let mut task = format!("{folder}/{tid}");
    if inner_id(&task) != Some(tid) {
        if inner_id(&format!("/proc/{pid}")) == Some(pid) {
            return None; // a thread of this namespace that has ended
        }
        let mut tasks = fs::read_dir(&folder).ok()?.flatten();
        let is_it = |task: &String| inner_id(task) == Some(tid);
        task = tasks.find_map(|entry| Some(entry.path().to_str()?.to_owned()).filter(is_it))?;
    }
    let name = fs::read(format!("{task}/comm")).ok()?;
    Some(String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
}

/// The id of a process or a thread in its innermost namespace, which comes last.
fn inner_id(folder: &str) -> Option<u32> {
    status_field(&Path::new(folder).join("status"), "NSpid:")?.pop()
}

/// All processes of this command's namespace.
fn ids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The numbers of a field of a `status` file.
pub fn status_field(status: &Path, field: &str) -> Option<Vec<u32>> {
    let text = fs::read(status).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().map(|word| word.parse().ok()).collect()
}

/// The words of its command line; none if it cannot be read.
pub fn command_line(pid: u32) -> Vec<String> {
    command_words(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
}

/// The words of a command line. A program that sets a title overwrites them, and fills up what is left
/// with zeros or spaces.
pub fn command_words(line: &[u8]) -> Vec<String> {
    let line = String::from_utf8_lossy(line.strip_suffix(&[0]).unwrap_or(line));
    let used = line.trim_end_matches('\0');
    // One empty argument may be what the program was started with.
    let line = if line.len() - used.len() > 1 { used } else { &line };
    let mut words: Vec<String> = line.split('\0').map(str::to_owned).collect();
    if let [title] = &mut words[..] {
        title.truncate(title.trim_end().len());
    }
    if words == [""] { Vec::new() } else { words }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::{command_words, host_pid};

    #[test]
    fn this_process_has_the_id_that_it_sees() {
        let namespace = fs::metadata("/proc/self/ns/pid").unwrap().ino();
        assert_eq!(host_pid(std::process::id(), namespace), Some(std::process::id()));
        assert_eq!(host_pid(std::process::id(), namespace ^ 1), None);
    }

    #[test]
    fn a_title_loses_its_padding() {
        for (line, words) in [
            (&b"python\0train.py\0"[..], &["python", "train.py"][..]),
            (b"python\0\0", &["python", ""]),
            (b"VLLM::Worker_TP1\0\0\0\0\0", &["VLLM::Worker_TP1"]),
            (b"ray::Actor.run      ", &["ray::Actor.run"]),
            (b"", &[]),
        ] {
            assert_eq!(command_words(line), words);
        }
    }
}
