//! Running the program so that it finds what it would find without the command: its streams, its
//! signals, its exit status.

mod limits;
mod signals;

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

pub use limits::Limits;
pub use signals::Signals;

pub struct Program {
    child: Child,
    signals: Signals,
    /// Whether somebody wanted the program to end: they do not want to wait for the command.
    pub interrupted: bool,
}

/// By these, people end programs.
const INTERRUPTIONS: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

impl Program {
    pub fn start(mut command: Command, signals: Signals, limits: Limits) -> io::Result<Self> {
        let restore = move || signals.restore().and_then(|()| limits.restore());
        // SAFETY: the closure calls only what may be called between fork and exec.
        unsafe { command.pre_exec(restore) };
        Ok(Self { child: command.spawn()?, signals, interrupted: false })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end and hands on what it is sent; calls `meanwhile` every `pause`.
    pub fn wait(&mut self, pause: Duration, mut meanwhile: impl FnMut()) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if let Some(received) = self.signals.next(pause) {
                self.interrupted |= INTERRUPTIONS.contains(&received.signal);
                if received.hand_on {
                    self.send(received.signal);
                }
            }
            meanwhile();
        }
    }

    /// Lets signals to this process end it, after the program has ended. Those that came before were
    /// the program's.
    pub fn stop_holding_signals(&mut self) {
        let last = self.signals.stop_holding();
        self.interrupted |= last.iter().any(|signal| INTERRUPTIONS.contains(signal));
    }

    fn send(&self, signal: libc::c_int) {
        // SAFETY: the child was not waited for, so the id is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }
}

/// Ends this process as the program ended: by the same status or by the same signal.
pub fn end_like(status: ExitStatus) -> i32 {
    if let Some(signal) = status.signal() {
        signals::die_of(signal);
        return 128 + signal; // as shells say it, should this process have survived that
    }
    status.code().unwrap_or(125)
}

/// Keeps descriptors 0 to 2 from becoming those of files that are opened later: text for standard
/// error would be written into them. What takes their place is closed for the program, which has
/// its streams as closed as they were. Rust's own `main` would do the like, and there is none here.
pub fn occupy_closed() {
    // Without a /dev/null there is nothing to put there.
    while let Ok(file) = File::options().read(true).write(true).open("/dev/null") {
        if file.as_raw_fd() > libc::STDERR_FILENO {
            return;
        }
        let _stays_open = file.into_raw_fd();
    }
}
