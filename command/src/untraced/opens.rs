//! Whether anybody has opened a file.

use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

#[derive(Debug)]
pub struct Opens(Inotify);

impl Opens {
    /// # Errors
    /// If the kernel has no more of them, or the file cannot be watched.
    pub fn of(path: &Path) -> nix::Result<Self> {
        let watch = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        watch.add_watch(path, AddWatchFlags::IN_OPEN)?;
        Ok(Self(watch))
    }

    /// Whether it was opened since the last time.
    pub fn any(&self) -> bool {
        let mut any = false;
        while self.0.read_events().is_ok_and(|events| !events.is_empty()) {
            any = true;
        }
        any
    }
}
