//! Resource limits of the program, which are no limits of the command.

use std::io;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};

/// The limits that can end the command: of files, memory, time and descriptors.
const LIFTED: [Resource; 5] = [
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_AS,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_NOFILE,
];

/// The limits that this process was started with.
#[derive(Debug, Clone, Copy)]
pub struct Limits([(rlim_t, rlim_t); LIFTED.len()]);

impl Limits {
    /// Lifts the limits of this process as far as it may: completely for root, otherwise to the
    /// hard limit.
    pub fn lift() -> Self {
        Self(LIFTED.map(|resource| {
            let (soft, hard) = getrlimit(resource).unwrap_or((RLIM_INFINITY, RLIM_INFINITY));
            // The kernel refuses an infinite number of descriptors.
            let most = if resource == Resource::RLIMIT_NOFILE { hard } else { RLIM_INFINITY };
            // If neither can be set, it stays as it is.
            let _ = setrlimit(resource, most, most).or_else(|_| setrlimit(resource, hard, hard));
            (soft, hard)
        }))
    }

    /// Gives this process the limits that it was started with. May be called between fork and exec.
    pub(super) fn restore(&self) -> io::Result<()> {
        for (resource, (soft, hard)) in LIFTED.into_iter().zip(self.0) {
            setrlimit(resource, soft, hard)?;
        }
        Ok(())
    }
}
