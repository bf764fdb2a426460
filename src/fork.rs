//! Which process is this?
//!
//! A child forked after `cuInit` gets `CUDA_ERROR_NOT_INITIALIZED` from every driver call, and its
//! copies of the parent's handles stand for nothing. Handles of this crate remember the process
//! that made them: a `pthread_atfork` handler counts forks, so that the check is one load, and the
//! process id is the second witness, for children made by a bare `clone` that runs no such handler.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How many forks lie between the process that first loaded a driver and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that made something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    forks: u32,
    id: u32,
}

impl Process {
    /// This process; from now on forks are counted.
    pub(crate) fn current() -> Self {
        // Not a `Once`: a child forked while another thread is inside one would wait for ever.
        static REGISTERED: AtomicBool = AtomicBool::new(false);
        if !REGISTERED.swap(true, Ordering::Relaxed) {
            // SAFETY: the handler only adds to an atomic, which may be done in a forked child.
            // Should registering fail (for lack of memory), the process id still tells.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
        }
        Self { forks: FORKS.load(Ordering::Relaxed), id: std::process::id() }
    }

    /// The process id.
    pub(crate) fn id(self) -> u32 {
        self.id
    }

    /// Whether this is that process or a `fork` of it, at the cost of one load. Blind to children
    /// that a bare `clone` made.
    #[inline]
    pub(crate) fn is_this_one(self) -> bool {
        self.forks == FORKS.load(Ordering::Relaxed)
    }

    /// Whether this is that process, whatever made it, at the cost of a system call.
    #[cold]
    pub(crate) fn is_certainly_this_one(self) -> bool {
        self.id == std::process::id()
    }
}

extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
