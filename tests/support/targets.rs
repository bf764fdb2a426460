//! A simulated machine, and processes on it that use CUDA, to be suspended and resumed.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cuda_primary_context::Uuid;
use cuda_primary_context::checkpoint::{CheckpointError, Process};
use simulated_libcuda::{Builder, Simulator};

use super::load;

/// Longer than any test takes; an orphan ends by itself.
const WATCHDOG_SECONDS: u32 = 300;

/// Keeps forks and loads of libraries apart: a child that is forked while another thread is in the middle of
/// `dlopen` has a loader in disorder.
static LOADER: Mutex<()> = Mutex::new(());

/// Loads a library while nobody forks, or forks while nobody loads one.
pub fn alone<T>(action: impl FnOnce() -> T) -> T {
    let _held = LOADER.lock().unwrap_or_else(PoisonError::into_inner);
    action()
}

/// A machine of two GPUs, and the driver of a controller on it that has not called `cuInit`.
pub struct SharedMachine {
    pub simulator: Simulator,
    folder: PathBuf,
    owner: u32,
}

impl SharedMachine {
    pub fn new() -> Self {
        Self::from(|builder| builder)
    }

    pub fn from(adjust: impl FnOnce(Builder) -> Builder) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let owner = std::process::id();
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shared-machine-{owner}-{number}"));
        fs::create_dir_all(&folder).expect("a folder for the machine");
        let simulator = alone(|| adjust(builder(&folder)).start());
        Self { simulator, folder, owner }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join("machine")
    }

    /// Another driver on the machine, of a controller that calls `cuInit`, say.
    pub fn another(&self) -> Simulator {
        alone(|| builder(&self.folder).start())
    }

    /// A process with a context on device 0.
    pub fn target(&self) -> Child {
        let simulator = &self.simulator;
        let mut device = None;
        let mut child = Child::start(move || {
            let device = device.get_or_insert_with(|| {
                simulator.initialize();
                simulator.retain_by_others(0, 1);
                alone(|| load(simulator.path())).expect("it loads").device(0).expect("a device")
            });
            // A call that waits while the process is locked.
            u32::from(device.primary_context_state().unwrap().active)
        });
        assert_eq!(child.ask(), 1);
        child
    }

    pub fn open(&self, pid: u32) -> Result<Process, CheckpointError> {
        // SAFETY: the simulator is a CUDA driver as far as the crate calls it.
        alone(|| unsafe { Process::open_from(self.simulator.path(), pid) })
    }

    /// The state as the simulator has it, whatever faults there are.
    pub fn state(&self, pid: u32) -> u32 {
        self.simulator.target(pid).expect("the process lives").state
    }

    pub fn gpu(&self, number: u32) -> Uuid {
        Uuid::from_bytes(self.simulator.machine_uuid(number))
    }
}

fn builder(folder: &Path) -> Builder {
    Simulator::builder().devices(2).visible_devices(None).machine(folder.join("machine"))
}

impl Drop for SharedMachine {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A forked process that takes orders until it is killed.
pub struct Child {
    pid: libc::pid_t,
    orders: UnixStream,
    ended: bool,
}

impl Child {
    /// It returns a number for each order, and runs nothing else.
    pub fn start(mut serve: impl FnMut() -> u32) -> Self {
        let (orders, mut own) = UnixStream::pair().expect("a pair of sockets");
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
                    own.write_all(&serve().to_ne_bytes()).expect("the parent listens");
                }
            }));
            // SAFETY: runs nothing of the parent's.
            unsafe { libc::_exit(0) }
        }
        Self { pid, orders, ended: false }
    }

    /// A child of this process that takes no orders.
    pub fn adopt(pid: libc::pid_t) -> Self {
        let (orders, _) = UnixStream::pair().expect("a pair of sockets");
        Self { pid, orders, ended: false }
    }

    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    pub fn ask(&mut self) -> u32 {
        self.order();
        self.result()
    }

    pub fn order(&mut self) {
        self.orders.write_all(&[0]).expect("the process lives");
    }

    pub fn result(&mut self) -> u32 {
        self.orders.set_read_timeout(Some(Duration::from_secs(100))).expect("a time limit");
        let mut result = [0; 4];
        self.orders.read_exact(&mut result).expect("the process lives");
        u32::from_ne_bytes(result)
    }

    /// Whether the result of the last order is not there after a while.
    pub fn still_waits(&mut self) -> bool {
        self.orders.set_read_timeout(Some(Duration::from_millis(50))).expect("a time limit");
        let mut nothing = [0; 4];
        // SAFETY: a descriptor of this process and four writable bytes; nothing is taken out.
        let seen = unsafe {
            libc::recv(self.orders.as_raw_fd(), nothing.as_mut_ptr().cast(), 4, libc::MSG_PEEK)
        };
        seen == -1
    }

    pub fn kill(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            kill_and_wait(self.pid());
        }
    }

    /// Waits until it has ended by itself; 0, or the signal that it died of.
    pub fn wait(&mut self) -> i32 {
        self.ended = true;
        let mut status = 0;
        // SAFETY: our own child; the status is an int of ours.
        unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 }
    }

    /// As if it had been killed: for a hook that does so.
    pub fn is_killed_by_others(&mut self) {
        self.ended = true;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn kill_and_wait(pid: u32) {
    // SAFETY: our own child, not waited for yet.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    // SAFETY: our own child; its status is of no interest.
    unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) };
}
