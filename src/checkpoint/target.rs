//! The process that is suspended and resumed: its id, and whether it still is that process.

use std::ffi::c_int;

use crate::checkpoint::calls::{Calls, GET_STATE};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::stat::stat_of;
use crate::checkpoint::state::State;
use crate::driver::process::Process as Maker;
use crate::sys::CUresult;

pub(super) struct Target {
    pub(super) calls: Calls,
    pid: u32,
    /// When it started, in the kernel's ticks: an id may be another process's by now.
    started: Option<u64>,
    /// The process that made the handle. In a child of it, the handle stands for nothing.
    maker: Maker,
}

impl Target {
    /// # Errors
    /// [`CheckpointError::Ended`] where there is no such process.
    pub(super) fn new(calls: Calls, pid: u32) -> Result<Self, CheckpointError> {
        let started = start_of(pid);
        if started.is_none() && !exists(pid) {
            return Err(CheckpointError::Ended { pid });
        }
        Ok(Self { calls, pid, started, maker: Maker::current() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The id as the driver takes it.
    pub(super) fn raw_pid(&self) -> c_int {
        self.pid as c_int
    }

    /// Whether the handle still stands for the process for which it was made.
    pub(super) fn check(&self) -> Result<(), CheckpointError> {
        let pid = self.pid;
        if !self.maker.is_this_one() {
            return Err(CheckpointError::ForkedController { pid });
        }
        if is_still(pid, self.started) { Ok(()) } else { Err(CheckpointError::Ended { pid }) }
    }

    /// The result of a call as an error, or nothing.
    pub(super) fn answer(&self, call: &'static str, code: CUresult) -> Result<(), CheckpointError> {
        match code {
            CUresult::CUDA_SUCCESS => Ok(()),
            // What the driver answers for a process that ended meanwhile, and for other reasons.
            CUresult::CUDA_ERROR_OPERATING_SYSTEM if self.check().is_err() => {
                Err(CheckpointError::Ended { pid: self.pid })
            }
            code => Err(CheckpointError::Call { call, pid: self.pid, code }),
        }
    }

    pub(super) fn state(&self) -> Result<State, CheckpointError> {
        self.check()?;
        let (code, state) = self.calls.get_state(self.raw_pid());
        self.answer(GET_STATE, code)?;
        Ok(state.into())
    }
}

/// Whether the id is of a process that started then, or of one whose start `/proc` never told.
fn is_still(pid: u32, started: Option<u64>) -> bool {
    let now = start_of(pid);
    now == started && (now.is_some() || exists(pid))
}

/// The time of a process's start; `None` where `/proc` does not tell, and for one that is dead and only
/// waited for.
fn start_of(pid: u32) -> Option<u64> {
    let (_, fields) = stat_of(pid)?;
    let mut fields = fields.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// Whether there is such a process, where `/proc` does not show it.
fn exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal 0 asks and sends nothing.
    let answer = unsafe { libc::kill(pid, 0) };
    let refused = std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM);
    let hidden = !std::path::Path::new(&format!("/proc/{pid}")).exists();
    hidden && pid > 0 && (answer == 0 || refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn processes_are_told_apart_from_their_successors() {
        let own = std::process::id();
        assert!(start_of(own).is_some());
        let mut child = std::process::Command::new("true").spawn().expect("true runs");
        let id = child.id();
        assert!(child.wait().expect("it ends").success());
        assert_eq!((start_of(id), exists(id)), (None, false));
        assert!(!exists(0) && !exists(u32::MAX));
        let started = start_of(own);
        assert!(is_still(own, started) && !is_still(id, None));
        assert!(!is_still(own, started.map(|started| started + 1)), "another process of this id");
    }

    #[test]
    fn a_process_that_is_only_waited_for_has_no_start() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("it runs");
        let stat =
            || fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it is there");
        // The 22nd field of the kernel's line; the name of this program has no blank in it.
        let started = stat().split(' ').nth(21).map(|field| field.parse().expect("a number"));
        assert_eq!(start_of(child.id()), started);
        // SAFETY: a process of this test's, not waited for yet.
        unsafe { libc::kill(child.id() as i32, libc::SIGKILL) };
        while !stat().contains(" Z ") {
            std::thread::yield_now();
        }
        assert_eq!((start_of(child.id()), exists(child.id())), (None, false));
        assert!(!is_still(child.id(), started));
        child.wait().expect("it ends");
    }

    #[test]
    fn a_process_lives_whose_name_is_no_text() {
        use std::os::unix::ffi::OsStrExt;
        let folder = std::env::temp_dir().join(format!("no-text-{}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        // A process is named by the file that it was started from.
        let program = folder.join(std::ffi::OsStr::from_bytes(b"sleep-\xff)"));
        std::os::unix::fs::symlink("/bin/sleep", &program).expect("a link");
        let mut child = std::process::Command::new(&program).arg("60").spawn().expect("it runs");
        let comm = format!("/proc/{}/comm", child.id());
        let is_named = || fs::read(&comm).expect("it lives") == b"sleep-\xff)\n";
        // Under QEMU the parent goes on before the child has become the program.
        for _ in 0..10_000 {
            if is_named() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let (named, started) = (is_named(), start_of(child.id()));
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
        fs::remove_dir_all(&folder).expect("the folder goes");
        assert!(named, "its name is that of the link");
        assert!(started.is_some(), "it lived");
    }
}
