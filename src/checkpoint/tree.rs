//! A process and its descendants.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;

use crate::checkpoint::stat::Stat;
use crate::fork::DeviceFile;

/// One process of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeProcess {
    /// The process id.
    pub pid: u32,
    /// The id of its parent.
    pub parent: u32,
    /// Its command line, with the arguments separated by blanks; the program's name in brackets if it has
    /// none.
    pub command: OsString,
    /// The `/dev/nvidia*` files that it holds open; `None` if this process has no right to see them. A process
    /// that holds none has no CUDA to checkpoint. One that holds some may have inherited them by `fork`: then
    /// the driver returns `CUDA_ERROR_NOT_INITIALIZED`.
    pub device_files: Option<Vec<DeviceFile>>,
}

/// Returns the process and its descendants, each after its parent, siblings in the order of their ids. Processes
/// that end meanwhile are left out; a zombie has no files.
///
/// # Errors
/// `NotFound` if the process does not exist; those of reading `/proc`.
pub fn tree(pid: u32) -> io::Result<Vec<TreeProcess>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended.
        if let Some((parent, name)) = parent_of(pid) {
            all.push((pid, parent, name));
        }
    }
    all.sort_unstable();
    let parents: Vec<(u32, u32)> = all.iter().map(|(pid, parent, _)| (*pid, *parent)).collect();
    let found: Vec<TreeProcess> = descendants(&parents, pid)
        .into_iter()
        .map(|index| {
            let (pid, parent, name) = &all[index];
            TreeProcess {
                pid: *pid,
                parent: *parent,
                command: command_of(*pid, name),
                device_files: crate::fork::device_files_of(*pid).ok(),
            }
        })
        .collect();
    match found.is_empty() {
        true => {
            let message = format!("Process {pid} does not exist.");
            Err(io::Error::new(io::ErrorKind::NotFound, message))
        }
        false => Ok(found),
    }
}

/// The indices of a process and of its descendants in a list of processes with their parents. `/proc` is not
/// read at one moment: if ids were given out again meanwhile, the parents can form a cycle.
fn descendants(parents: &[(u32, u32)], root: u32) -> Vec<usize> {
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        let index = parents.iter().position(|(id, _)| *id == pid);
        if let Some(index) = index.filter(|index| !found.contains(index)) {
            found.push(index);
            let children = parents.iter().rev().filter(|(_, parent)| *parent == pid);
            waiting.extend(children.map(|(child, _)| child));
        }
    }
    found
}

fn parent_of(pid: u32) -> Option<(u32, String)> {
    let stat = Stat::of(pid)?;
    Some((stat.fields()?.nth(1)?.parse().ok()?, stat.name()?))
}

fn command_of(pid: u32, name: &str) -> OsString {
    let mut line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    while line.last() == Some(&0) {
        line.pop();
    }
    if line.is_empty() {
        return format!("[{name}]").into();
    }
    line.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    OsString::from_vec(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_cycle_of_parents_ends() {
        // 5 is the parent of 7 and of 9, and 9 the parent of 5; 4 is its own.
        let parents = [(4, 4), (5, 9), (7, 5), (9, 5)];
        assert_eq!(descendants(&parents, 5), [1, 2, 3]);
        assert_eq!(descendants(&parents, 4), [0]);
        assert_eq!(descendants(&parents, 6), [] as [usize; 0]);
    }

    #[test]
    fn trees_list_parents_before_children_and_no_strangers() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & sleep 61; wait"])
            .spawn()
            .expect("a shell runs");
        let pid = shell.id();
        let sleeps =
            |process: &&TreeProcess| process.command.as_encoded_bytes().starts_with(b"sleep ");
        let mut found = Vec::new();
        for _ in 0..2000 {
            found = tree(pid).expect("the shell lives");
            if found.iter().filter(sleeps).count() == 2 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        for process in found.iter().rev() {
            // SAFETY: processes of this test's making, not waited for yet.
            unsafe { libc::kill(process.pid as i32, libc::SIGKILL) };
        }
        shell.wait().expect("it ends");
        let commands: Vec<_> =
            found.iter().map(|process| process.command.to_str().unwrap()).collect();
        assert_eq!(commands, ["sh -c sleep 60 & sleep 61; wait", "sleep 60", "sleep 61"]);
        assert_eq!(found[0].parent, std::process::id());
        assert!(found[1..].iter().all(|process| process.parent == pid));
        assert!(found.iter().all(|process| process.device_files == Some(Vec::new())));
        assert_eq!(tree(pid).unwrap_err().kind(), io::ErrorKind::NotFound);
        // One that is dead and only waited for has no command line.
        let mut dead = Command::new("true").spawn().expect("it runs");
        let name_alone = || tree(dead.id()).expect("it is not waited for")[0].command == *"[true]";
        let is_listed = (0..2000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            name_alone()
        });
        dead.wait().expect("it ends");
        assert!(is_listed, "a dead process is listed by its name");
    }
}
