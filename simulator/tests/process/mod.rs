//! A process of a test's making, that does what it is told until it is killed.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Longer than any test takes; an orphan ends by itself.
const WATCHDOG_SECONDS: u32 = 120;

/// Keeps forks and loads of libraries apart: a child that is forked while another thread is in the middle of
/// `dlopen` has a loader in disorder.
static LOADER: Mutex<()> = Mutex::new(());

/// Loads a library while nobody forks, or forks while nobody loads one.
pub fn alone<T>(action: impl FnOnce() -> T) -> T {
    let _held = LOADER.lock().unwrap_or_else(PoisonError::into_inner);
    action()
}

pub struct Process {
    pid: libc::pid_t,
    orders: UnixStream,
    ended: bool,
}

impl Process {
    /// Forks a child that answers each order, a byte, with a number. The child runs nothing else.
    pub fn start(mut serve: impl FnMut(u8) -> u32) -> Self {
        let (orders, mut own) = UnixStream::pair().unwrap();
        // SAFETY: the child calls into the simulated driver and then leaves through _exit.
        let pid = alone(|| unsafe { libc::fork() });
        assert_ne!(pid, -1, "fork fails");
        if pid == 0 {
            // SAFETY: no preconditions; the signal ends the child.
            unsafe { libc::alarm(WATCHDOG_SECONDS) };
            // Other tests' pipes would stay open in this process, and their readers wait for its end.
            for descriptor in (3..1024).filter(|&descriptor| descriptor != own.as_raw_fd()) {
                // SAFETY: nothing in this process uses a file but the socket.
                unsafe { libc::close(descriptor) };
            }
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let mut order = [0];
                while own.read_exact(&mut order).is_ok() {
                    let answer = serve(order[0]);
                    own.write_all(&answer.to_ne_bytes()).unwrap();
                }
            }));
            // SAFETY: runs nothing of the parent's.
            unsafe { libc::_exit(0) }
        }
        Self { pid, orders, ended: false }
    }

    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Gives an order and waits for its answer.
    pub fn ask(&mut self, order: u8) -> u32 {
        self.order(order);
        self.answer()
    }

    pub fn order(&mut self, order: u8) {
        self.orders.write_all(&[order]).unwrap();
    }

    pub fn answer(&mut self) -> u32 {
        self.orders.set_read_timeout(None).unwrap();
        let mut answer = [0; 4];
        self.orders.read_exact(&mut answer).expect("the process lives and answers");
        u32::from_ne_bytes(answer)
    }

    /// Whether the answer to the last order is not there after a while.
    pub fn still_waits(&mut self) -> bool {
        self.orders.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut nothing = [0; 4];
        // SAFETY: a descriptor of this process and four writable bytes; nothing is taken out.
        let seen = unsafe {
            libc::recv(
                self.orders.as_raw_fd(),
                nothing.as_mut_ptr().cast(),
                nothing.len(),
                libc::MSG_PEEK,
            )
        };
        seen == -1
    }

    pub fn kill(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        // SAFETY: our own child, not waited for yet.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        // SAFETY: our own child; its status is of no interest.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
