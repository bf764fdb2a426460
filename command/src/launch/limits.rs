//! Resource limits of the program, which are no limits of the command.

use std::io;

/// The limits that can end the command: of files, memory, time and descriptors.
const LIFTED: [libc::__rlimit_resource_t; 5] =
    [libc::RLIMIT_FSIZE, libc::RLIMIT_AS, libc::RLIMIT_DATA, libc::RLIMIT_CPU, libc::RLIMIT_NOFILE];

/// The limits that this process was started with.
#[derive(Debug, Clone, Copy)]
pub struct Limits([libc::rlimit; LIFTED.len()]);

impl Limits {
    /// Lifts the limits of this process as far as it may: completely for root, otherwise to the
    /// hard limit.
    pub fn lift() -> Self {
        let unlimited =
            libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        let before = LIFTED.map(|resource| {
            let mut limit = unlimited;
            // SAFETY: the limit is of this frame.
            unsafe { libc::getrlimit(resource, &mut limit) };
            let hard = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
            // The kernel refuses an infinite number of descriptors.
            let lifted = if resource == libc::RLIMIT_NOFILE { hard } else { unlimited };
            if !set(resource, &lifted) {
                set(resource, &hard);
            }
            limit
        });
        Self(before)
    }

    /// Gives this process the limits that it was started with. May be called between fork and exec.
    pub(super) fn restore(&self) -> io::Result<()> {
        for (resource, limit) in LIFTED.into_iter().zip(&self.0) {
            if !set(resource, limit) {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

fn set(resource: libc::__rlimit_resource_t, limit: &libc::rlimit) -> bool {
    // SAFETY: the limit is a valid reference.
    unsafe { libc::setrlimit(resource, limit) == 0 }
}
