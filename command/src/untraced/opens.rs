//! Whether anybody has opened a file.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[derive(Debug)]
pub struct Opens(File);

impl Opens {
    /// `None` where the kernel has no more of them.
    pub fn of(path: &Path) -> Option<Self> {
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        // SAFETY: it takes numbers alone.
        let descriptor = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        if descriptor < 0 {
            return None;
        }
        // SAFETY: the descriptor is new, and nobody else's.
        let file = unsafe { File::from_raw_fd(descriptor) };
        // SAFETY: the path is a C string.
        let watch =
            unsafe { libc::inotify_add_watch(file.as_raw_fd(), path.as_ptr(), libc::IN_OPEN) };
        (watch >= 0).then_some(Self(file))
    }

    /// Whether it was opened since the last time.
    pub fn any(&mut self) -> bool {
        let mut any = false;
        while matches!(self.0.read(&mut [0; 4096]), Ok(length) if length > 0) {
            any = true;
        }
        any
    }
}
