//! Which process an id stands for: the kernel gives ids out again.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::checkpoint::error::{CheckpointError, LARGEST_PID};
use crate::checkpoint::stat::Stat;

/// What distinguishes a process from a successor with the same id.
pub(super) enum Identity {
    /// When it started, in the kernel's ticks.
    Start(u64),
    /// Its descriptor, if `/proc` does not show the process (`hidepid`, some containers).
    Descriptor(OwnedFd),
}

impl Identity {
    /// Finds the process.
    ///
    /// # Errors
    /// Why the id is not one of a process that this process may touch.
    pub(super) fn of(pid: u32) -> Result<Self, CheckpointError> {
        if !(1..=LARGEST_PID).contains(&pid) {
            return Err(CheckpointError::NotAProcessId { pid });
        }
        if let Some(process) = number_in_status(pid, "Tgid:").filter(|&process| process != pid) {
            return Err(CheckpointError::ThreadId { pid, process });
        }
        let found = match start_of(pid) {
            Some(start) => Some(Self::Start(start)),
            None => descriptor_of_hidden(pid).map(Self::Descriptor),
        };
        let found = found.ok_or(CheckpointError::NoSuchProcess { pid })?;
        // SAFETY: signal 0 checks and sends nothing.
        if unsafe { libc::kill(pid as libc::pid_t, 0) } == 0 {
            return Ok(found);
        }
        Err(match io::Error::last_os_error().raw_os_error() {
            Some(libc::EPERM) => CheckpointError::OtherUser { pid },
            _ => CheckpointError::NoSuchProcess { pid },
        })
    }

    pub(super) fn is_still(&self, pid: u32) -> bool {
        match self {
            Self::Start(start) => start_of(pid) == Some(*start),
            Self::Descriptor(descriptor) => !has_ended(descriptor),
        }
    }
}

/// The id that a process has in a PID namespace of its own, below that of this process.
pub(super) fn pid_inside(pid: u32) -> Option<u32> {
    number_in_status(pid, "NSpid:").filter(|&inside| inside != pid)
}

/// The last number of a line of `/proc/PID/status`.
fn number_in_status(pid: u32, field: &str) -> Option<u32> {
    // The program's name in it need not be text.
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().last()?.parse().ok()
}

/// The time of a process's start; `None` if `/proc` does not show it, or if it is dead and only waited for.
fn start_of(pid: u32) -> Option<u64> {
    let stat = Stat::of(pid)?;
    let mut fields = stat.fields()?;
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// A descriptor of a process that lives and is not in `/proc` (Linux 5.3).
fn descriptor_of_hidden(pid: u32) -> Option<OwnedFd> {
    if fs::exists(format!("/proc/{pid}")).unwrap_or(false) {
        return None;
    }
    // SAFETY: takes plain numbers, and no flags.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    let descriptor = libc::c_int::try_from(descriptor).ok().filter(|&number| number >= 0)?;
    // SAFETY: the kernel just made it, and nobody else has it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    (!has_ended(&descriptor)).then_some(descriptor)
}

/// The descriptor becomes readable when the process ends.
fn has_ended(descriptor: &OwnedFd) -> bool {
    let mut wanted = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry of ours, and no wait.
    unsafe { libc::poll(&raw mut wanted, 1, 0) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(pid: u32) -> &'static str {
        Identity::of(pid).err().map_or("a process", |error| error.kind())
    }

    #[test]
    fn processes_are_distinguished_from_their_successors() {
        let own = std::process::id();
        let Ok(Identity::Start(start)) = Identity::of(own) else { panic!("/proc shows it") };
        assert!(Identity::Start(start).is_still(own));
        assert!(!Identity::Start(start + 1).is_still(own), "another process of this id");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("it runs");
        let identity = Identity::of(child.id()).expect("it lives");
        // The 22nd field of the kernel's line; the name of this program has no blank in it.
        let stat = || fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("a line");
        let started = stat().split(' ').nth(21).map(|field| field.parse().expect("a number"));
        assert_eq!(start_of(child.id()), started);
        // SAFETY: a process of this test's, not waited for yet.
        unsafe { libc::kill(child.id() as i32, libc::SIGKILL) };
        while !stat().contains(" Z ") {
            std::thread::yield_now();
        }
        assert!(!identity.is_still(child.id()), "dead and only waited for");
        assert_eq!(kind_of(child.id()), "no_such_process");
        child.wait().expect("it ends");
        assert_eq!(kind_of(child.id()), "no_such_process");
    }
}
