//! Whether anybody has opened a file.

use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

#[derive(Debug)]
pub struct Opens(Inotify);

impl Opens {
    /// `None` where the kernel has no more of them.
    pub fn of(path: &Path) -> Option<Self> {
        let watch = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
        watch.add_watch(path, AddWatchFlags::IN_OPEN).ok()?;
        Some(Self(watch))
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
