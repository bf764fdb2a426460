//! Which process is this?
//!
//! A child forked after `cuInit` gets `CUDA_ERROR_NOT_INITIALIZED` from every driver call, and its
//! copies of the parent's handles stand for nothing. A child made by a bare `clone` is worse off (the
//! driver seems to learn of a fork by a handler, which `clone` does not run): there calls were seen to
//! act on the parent's device, and to hang (driver 580).
//!
//! So handles of this crate know the process that made them by a mark in a page that the kernel empties in
//! every child (`MADV_WIPEONFORK`). The check is one load. If the kernel has no such pages, a handler empties the
//! mark, and the process id is the second check. Windows has no `fork`, and nothing empties the mark there.

use std::ptr;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// The process that made something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    mark: &'static AtomicU32,
    value: u32,
    id: u32,
}

impl Process {
    /// This process.
    pub(crate) fn current() -> Self {
        /// The last value given out. Children go on from their parent's, and so never repeat one.
        static LAST: AtomicU32 = AtomicU32::new(0);
        let mark = mark();
        let mut value = mark.load(Ordering::Relaxed);
        if value == 0 {
            let new = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            value = match mark.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => new,
                Err(faster) => faster,
            };
        }
        Self { mark, value, id: std::process::id() }
    }

    /// The process id.
    pub(crate) fn id(self) -> u32 {
        self.id
    }

    /// Whether this is that process and no child of it, at the cost of one load.
    #[inline]
    pub(crate) fn is_this_one(self) -> bool {
        self.mark.load(Ordering::Relaxed) == self.value
    }

    /// Whether this process has that one's id, at the cost of a system call: the second check.
    #[cold]
    pub(crate) fn has_this_id(self) -> bool {
        self.id == std::process::id()
    }
}

/// Where the mark is. It is 0 until the first call in a process.
static MARK: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// The mark if the kernel cannot empty a page. On Unix a handler empties it.
static ORDINARY: AtomicU32 = AtomicU32::new(0);

fn mark() -> &'static AtomicU32 {
    let mut address = MARK.load(Ordering::Acquire);
    if address.is_null() {
        let new = new_mark();
        address = match MARK.compare_exchange(
            ptr::null_mut(),
            new,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => new,
            // The page made here stays unused, once.
            Err(faster) => faster,
        };
    }
    // SAFETY: the address is of a static, or of a page that is never unmapped; both hold an
    // integer that is only used atomically.
    unsafe { &*address }
}

#[cfg(unix)]
fn new_mark() -> *mut AtomicU32 {
    emptied_by_kernel().unwrap_or_else(emptied_by_handler)
}

#[cfg(not(unix))]
fn new_mark() -> *mut AtomicU32 {
    (&raw const ORDINARY).cast_mut()
}

#[cfg(target_os = "linux")]
fn emptied_by_kernel() -> Option<*mut AtomicU32> {
    const SIZE: usize = size_of::<AtomicU32>();
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return None;
    }
    // There is no advice of this number. QEMU 7.2 returns success for it, as for any other in a program
    // for another machine's processor, and empties nothing.
    const NO_ADVICE: libc::c_int = libc::c_int::MIN;
    // SAFETY: the advice is for the page mapped above, which holds nothing yet.
    let refuses = unsafe { libc::madvise(page, SIZE, NO_ADVICE) } != 0;
    // SAFETY: as above.
    let empties = unsafe { libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) } == 0;
    (refuses && empties).then_some(page.cast())
}

#[cfg(all(unix, not(target_os = "linux")))]
fn emptied_by_kernel() -> Option<*mut AtomicU32> {
    None
}

#[cfg(unix)]
fn emptied_by_handler() -> *mut AtomicU32 {
    extern "C" fn empty() {
        ORDINARY.store(0, Ordering::Relaxed);
    }
    // Not a `Once`: a child forked while another thread is inside one would wait for ever.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.swap(true, Ordering::Relaxed) {
        // SAFETY: the handler only stores to an atomic, which may be done in a forked child.
        // If registering fails (for lack of memory), the process id is compared still.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(empty)) };
    }
    (&raw const ORDINARY).cast_mut()
}
