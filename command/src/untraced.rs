//! Processes that use a driver which is not behind the witness, found by looking at the files that
//! they have mapped, from outside and while they live.

mod reason;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::layout::{DRIVER_NAME, EVENTS_NAME, MISSING_NAME};
use crate::processes::{Process, descendants, with_environment};
use crate::record;
pub use reason::Reason;

/// A process with a driver that is not traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untraced {
    pub pid: u32,
    pub command: String,
    pub library: PathBuf,
    pub reason: Reason,
}

/// How often a process is looked at: soon after it was seen first, then less and less.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// Looking for processes takes this part of the time, where there are many of them.
const SHARE: u32 = 50;

/// Looks at the program and its children.
#[derive(Debug)]
pub struct Watch {
    pub program: u32,
    witness: PathBuf,
    driver: PathBuf,
    events: PathBuf,
    opens: Result<Opens, String>,
    was_opened: bool,
    next_search: Instant,
    seen: HashMap<Process, Seen>,
    /// Whether a process has the witness but cannot write to the arena, however short its life.
    pub arena_was_missing: bool,
    /// Processes that have the witness but wrote no record, with their command lines.
    pub silent: BTreeMap<u32, String>,
    /// Processes whose files this command may not look at, with their command lines.
    pub unreadable: BTreeMap<u32, String>,
}

#[derive(Debug)]
struct Seen {
    due: Instant,
    pause: Duration,
    reported: Vec<PathBuf>,
}

impl Watch {
    /// Of a program that is started next: the folder of its witness, and the driver behind the witness.
    pub fn new(folder: &Path, driver: &Path) -> Self {
        let driver = driver.canonicalize().unwrap_or_else(|_| driver.to_owned());
        Self {
            program: 0,
            witness: folder.join(DRIVER_NAME),
            events: folder.join(EVENTS_NAME),
            opens: Opens::watch(&driver, &folder.join(MISSING_NAME)),
            was_opened: false,
            arena_was_missing: false,
            driver,
            next_search: Instant::now(),
            seen: HashMap::new(),
            silent: BTreeMap::new(),
            unreadable: BTreeMap::new(),
        }
    }

    /// Which file could be opened without anybody noticing it, and why.
    pub fn why_opens_are_missed(&self) -> Option<&str> {
        self.opens.as_ref().err().map(String::as_str)
    }

    /// Whether anybody opened the driver's file while the program ran. `None`: unknown.
    pub fn driver_was_opened(&self) -> Option<bool> {
        self.opens.as_ref().ok().map(|_| self.was_opened)
    }

    /// What was not reported before.
    pub fn look(&mut self) -> Vec<Untraced> {
        let (opened, missing) = self.opens.as_ref().map(Opens::read).unwrap_or_default();
        self.arena_was_missing |= missing;
        if opened {
            self.was_opened = true;
            self.next_search = Instant::now();
        }
        self.search();
        let now = Instant::now();
        if opened {
            for seen in self.seen.values_mut() {
                (seen.due, seen.pause) = (now, FIRST_PAUSE);
            }
        }
        self.seen.retain(|process, seen| seen.due > now || process.lives());
        let mut found = Vec::new();
        for (process, seen) in &mut self.seen {
            if seen.due > now {
                continue;
            }
            seen.due = now + seen.pause;
            seen.pause = (seen.pause * 2).min(LAST_PAUSE);
            let maps = match fs::read(process.file("maps")) {
                Ok(maps) => maps,
                Err(error) => {
                    // One that has ended is no loss.
                    if error.kind() == io::ErrorKind::PermissionDenied {
                        self.unreadable.insert(process.pid, process.command());
                    }
                    continue;
                }
            };
            let files = files(&maps);
            let traced = files.contains(&*self.witness);
            // A child inherits the arena, and writes its record at its first call.
            if traced && !files.contains(&*self.events) {
                self.silent.insert(process.pid, process.command());
            }
            for library in files.into_iter().filter(|path| is_driver(path)) {
                let behind = library == self.witness || (traced && library == self.driver);
                if behind || seen.reported.iter().any(|reported| reported == library) {
                    continue;
                }
                let library = library.to_owned();
                seen.reported.push(library.clone());
                let reason =
                    if traced { Reason::ByPath } else { Reason::of(*process, &self.witness) };
                let (pid, command) = (process.pid, process.command());
                found.push(Untraced { pid, command, library, reason });
            }
        }
        found
    }

    fn search(&mut self) {
        let now = Instant::now();
        if now < self.next_search {
            return;
        }
        descendants(self.program).into_iter().for_each(|process| self.watch(process));
        self.next_search = Instant::now() + (now.elapsed() * SHARE).max(FIRST_PAUSE);
    }

    /// Finds processes whose parent has ended: the witness's folder is in their environment. Returns whether
    /// there may be another one, which is just being started.
    pub fn find_orphans(&mut self) -> bool {
        let folder = self.witness.parent().map_or(&[][..], |folder| folder.as_os_str().as_bytes());
        let (found, one_is_starting) = with_environment(folder);
        found.into_iter().for_each(|process| self.watch(process));
        one_is_starting
    }

    /// Takes note of the record of a process that has the witness: its parent may have ended. If it was
    /// seen before it had opened the arena, it is silent no longer.
    pub fn add(&mut self, about: &record::Process) {
        let Some(pid) = about.host_pid else { return };
        self.silent.remove(&pid);
        self.watch(Process { pid, start: about.start });
    }

    fn watch(&mut self, process: Process) {
        let (due, pause) = (Instant::now(), FIRST_PAUSE);
        self.seen.entry(process).or_insert(Seen { due, pause, reported: Vec::new() });
    }

    /// Those that still run, without the program itself.
    pub fn living(&self) -> Vec<(u32, String)> {
        let others = self.seen.keys().filter(|process| process.pid != self.program);
        let mut living: Vec<_> = others
            .filter(|process| process.lives())
            .map(|process| (process.pid, process.command()))
            .collect();
        living.sort();
        living
    }
}

/// Reports when the driver's file is opened, and when a witness that cannot write to the arena opens the
/// file for that.
#[derive(Debug)]
struct Opens {
    inotify: Inotify,
    missing: WatchDescriptor,
}

impl Opens {
    fn watch(driver: &Path, missing: &Path) -> Result<Self, String> {
        let failure =
            |error, file: &Path| format!("{}: {}", file.display(), io::Error::from(error));
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .map_err(|error| failure(error, driver))?;
        let add = |file: &Path| {
            inotify.add_watch(file, AddWatchFlags::IN_OPEN).map_err(|error| failure(error, file))
        };
        add(driver)?;
        let missing = add(missing)?;
        Ok(Self { inotify, missing })
    }

    /// Whether each of the two was opened since the last call.
    fn read(&self) -> (bool, bool) {
        let read = || self.inotify.read_events().ok().filter(|events| !events.is_empty());
        let (mut opened, mut missing) = (false, false);
        for event in std::iter::from_fn(read).flatten() {
            missing |= event.wd == self.missing;
            opened |= event.wd != self.missing;
        }
        (opened, missing)
    }
}

fn files(maps: &[u8]) -> BTreeSet<&Path> {
    let lines = maps.split(|&byte| byte == b'\n');
    let paths = lines.filter_map(|line| {
        // Address, rights, offset, device, inode, then the path, which may have spaces.
        let path = &line[line.iter().position(|&byte| byte == b'/')?..];
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        Some(Path::new(OsStr::from_bytes(path)))
    });
    paths.collect()
}

/// By its name: `libcuda.so.1`, `libcuda.so.580.95.05`.
fn is_driver(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        name.as_bytes()
            .strip_prefix(b"libcuda.so")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
    })
}

#[cfg(test)]
mod tests {
    use super::{MISSING_NAME, Path, Watch, files, is_driver};
    use crate::processes::Process;
    use crate::record;

    #[test]
    fn drivers_are_known_by_their_names() {
        let maps = "7f02-7f03 r-xp 00000000 08:01 12      /lib/libcuda.so.580.95.05\n\
                    7f03-7f04 rw-p 00000000 08:01 12      /lib/libcuda.so.580.95.05\n\
                    7f05-7f06 r-xp 00000000 08:01 13     /opt/a b/libcuda.so.1 (deleted)\n\
                    7f08-7f09 rw-p 00000000 00:00 0       [heap]\n\
                    7f09-7f0a rw-p 00000000 00:00 0\n\
                    7f0a-7f0b r-xp 00000000 08:01 15      /lib/libcudadebugger.so.1\n";
        let expected = ["/lib/libcuda.so.580.95.05", "/opt/a b/libcuda.so.1"].map(Path::new);
        let files = files(maps.as_bytes());
        let drivers: Vec<_> = files.into_iter().filter(|path| is_driver(path)).collect();
        assert_eq!(drivers, expected);
    }

    #[test]
    fn a_process_is_watched_by_its_id_on_the_host() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(MISSING_NAME), "").unwrap();
        let mut watch = Watch::new(folder.path(), Path::new("/proc/self/exe"));
        assert_eq!(watch.why_opens_are_missed(), None);
        let pid = std::process::id();
        let start = Process::of(pid).unwrap().start;
        watch.silent.insert(pid, String::new());
        watch.add(&record::Process { host_pid: None, start, ..record::Process::default() });
        assert!(watch.living().is_empty() && !watch.silent.is_empty());
        watch.add(&record::Process { host_pid: Some(pid), start, ..record::Process::default() });
        assert_eq!(watch.living()[0].0, pid);
        assert!(watch.silent.is_empty());
    }

    #[test]
    fn a_driver_that_cannot_be_watched_is_known() {
        let watch = Watch::new(Path::new("/nowhere"), Path::new("/nowhere/libcuda.so.1"));
        let text = watch.why_opens_are_missed().unwrap();
        assert!(text.starts_with("/nowhere/libcuda.so.1: No such file"), "{text}");
    }
}
