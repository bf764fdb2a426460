//! Which process is this?
//!
//! A child forked after `cuInit` gets `CUDA_ERROR_NOT_INITIALIZED` from every driver call, and its
//! copies of the parent's handles stand for nothing. A child made by a bare `clone` is worse off (the
//! driver seems to learn of a fork by a handler, which `clone` does not run): there calls were seen to
//! act on the parent's device, and to hang (driver 580).
//!
//! So handles of this crate know the process that made them by a mark in a page that the kernel empties in
//! every child (`MADV_WIPEONFORK`). The check is one load. If the kernel has no such pages, a handler counts the
//! forks, and the process id shows the child of a bare `clone`, unless the ids are equal, as they can be in PID
//! namespaces. Windows has no `fork`.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// The process that made something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    mark: &'static AtomicU32,
    value: u32,
    id: u32,
}

impl Process {
    pub(crate) fn current() -> Self {
        let mark = mark();
        let mut value = mark.load(Ordering::Relaxed);
        if ptr::eq(mark, &raw const NEVER_SET) {
            value = NEXT.load(Ordering::Relaxed);
        } else if value == 0 {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            let set = mark.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed);
            value = set.err().unwrap_or(new);
        }
        Self { mark, value, id: std::process::id() }
    }

    pub(crate) fn id(self) -> u32 {
        self.id
    }

    /// Whether this is that process and no child of it.
    #[inline]
    pub(crate) fn is_this_one(&self) -> bool {
        self.mark.load(Ordering::Relaxed) == self.value || self.is_this_one_without_mark()
    }

    /// If the kernel empties no page: whether no fork was counted, and this process has that id.
    #[cold]
    #[inline(never)]
    fn is_this_one_without_mark(&self) -> bool {
        ptr::eq(self.mark, &raw const NEVER_SET)
            && self.value == NEXT.load(Ordering::Relaxed)
            && self.id == std::process::id()
    }
}

/// The next value to give out. Never 0, as `NEVER_SET` is. Children go on from their parent's, and so never repeat one.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Stands for the mark if the kernel cannot empty a page.
static NEVER_SET: AtomicU32 = AtomicU32::new(0);

/// The mark, which is 0 until it is set in a process.
fn mark() -> &'static AtomicU32 {
    static MARK: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
    let mut address = MARK.load(Ordering::Acquire);
    if address.is_null() {
        let new = emptied_by_kernel().unwrap_or_else(|| {
            #[cfg(unix)]
            count_forks();
            (&raw const NEVER_SET).cast_mut()
        });
        let null = ptr::null_mut();
        address = match MARK.compare_exchange(null, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            // The page made here stays unused, once.
            Err(faster) => faster,
        };
    }
    // SAFETY: the address is of a static, or of a page that is never unmapped; both hold an
    // integer that is only used atomically.
    unsafe { &*address }
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

#[cfg(not(target_os = "linux"))]
fn emptied_by_kernel() -> Option<*mut AtomicU32> {
    None
}

/// Gives each child of `fork` a value of its own. Two threads may both register the handler, which harms nothing.
#[cfg(unix)]
fn count_forks() {
    extern "C" fn count() {
        NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler only adds to an atomic, which may be done in a forked child.
    // If it cannot be registered (for lack of memory), the process id is compared still.
    let _ = unsafe { libc::pthread_atfork(None, None, Some(count)) };
}
