//! Whether anybody has opened the driver, and whether a witness has no arena.

use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

#[derive(Debug)]
pub struct Opens {
    watch: Inotify,
    driver: WatchDescriptor,
}

/// Which files were opened since the last time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Opened {
    pub driver: bool,
    pub missing: bool,
}

impl Opens {
    /// `missing` is the file that a witness opens if it cannot write to the arena.
    ///
    /// # Errors
    /// If the kernel has no more of them, or a file cannot be watched.
    pub fn of(driver: &Path, missing: &Path) -> nix::Result<Self> {
        let watch = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let driver = watch.add_watch(driver, AddWatchFlags::IN_OPEN)?;
        watch.add_watch(missing, AddWatchFlags::IN_OPEN)?;
        Ok(Self { watch, driver })
    }

    pub fn look(&self) -> Opened {
        let mut opened = Opened::default();
        while let Some(events) = self.watch.read_events().ok().filter(|events| !events.is_empty()) {
            opened.driver |= events.iter().any(|event| event.wd == self.driver);
            opened.missing |= events.iter().any(|event| event.wd != self.driver);
        }
        opened
    }
}
