//! Runs the program with the streams, the signals and the limits that it would have without the command.

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
    /// Whether a signal asked the program to end. The user does not want to wait for the command then.
    pub interrupted: bool,
}

/// The signals by which people end programs.
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

    /// Waits until the program ends. Hands on signals, and calls `meanwhile` every `pause`.
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

    /// Lets signals end this process again. Call this after the program has ended: signals that came
    /// before belong to the program.
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
        // This process survived the signal. Shells use this status for it.
        return 128 + signal;
    }
    status.code().unwrap_or(125)
}

/// Opens `/dev/null` under those of the descriptors 0 to 2 that are closed. A file that is opened later
/// would get such a descriptor, and text for standard error would be written into the file. The program
/// does not inherit `/dev/null`, so its streams stay closed. Rust's own `main` does the same, but this
/// program has none.
pub fn occupy_closed() {
    // If there is no /dev/null, they stay closed.
    while let Ok(file) = File::options().read(true).write(true).open("/dev/null") {
        if file.as_raw_fd() > libc::STDERR_FILENO {
            return;
        }
        let _stays_open = file.into_raw_fd();
    }
}
