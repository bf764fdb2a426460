//! One device of one process: its contexts, and who holds them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cuda_primary_context::Uuid;

use crate::record::{self, Call, Change, Holding, Purpose, Record, UNRECORDED};

use super::Modules;
use super::notes::{Note, Notes};

#[derive(Debug, Default)]
pub struct Device {
    pub about: record::Device,
    pub creations: Notes,
    pub endings: Notes,
    primary_creations: u64,
    primary_endings: u64,
    pub refusals: Notes,
    /// Releases that returned 800: they took the reference of a green context.
    pub taken_from_green: Notes,
    /// Calls during which the thread ended, or hangs.
    pub unfinished: Notes,
    /// Those of them that may have created a context.
    pub unfinished_creations: u64,
    /// Releases of references that nobody was seen to take.
    pub unseen_releases: Notes,
    /// Who holds or held something, in the order in which they came to it.
    pub holders: Vec<Holder>,
    pub takings: Vec<Taking>,
    pub denied: u64,
    /// Threads that began with its context (`--keep-threads`).
    pub started: StartedThreads,
}

#[derive(Debug, Default)]
pub struct StartedThreads {
    pub count: u64,
    /// The first few names, each once, and one more.
    pub names: Vec<String>,
}

impl StartedThreads {
    pub const NAMES: usize = 4;

    pub(super) fn add(&mut self, name: Option<&String>) {
        self.count += 1;
        let is_new = |name: &&String| !self.names.contains(name);
        if let Some(name) = name.filter(is_new).filter(|_| self.names.len() <= Self::NAMES) {
            self.names.push(name.clone());
        }
    }
}

/// A library's file, by which it is told from others of its name. `None`: code in no file.
type File = Option<PathBuf>;

/// A library that holds, or has held, something on a device: references to the primary context,
/// ordinary contexts or green ones.
#[derive(Debug)]
pub struct Holder {
    pub library: String,
    pub holding: Holding,
    pub acquired: u64,
    /// How often it released or destroyed one of its own.
    pub released: u64,
    pub last_release: Option<Duration>,
    pub first: Note,
    file: File,
    /// By module, for a library that was loaded again is another module: the count after its latest
    /// change, and the number of that change.
    counts: HashMap<u32, (u32, u32)>,
}

impl Holder {
    /// How many it holds, as the witness counted them.
    pub fn count(&self) -> u64 {
        self.counts.values().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Records of different threads may come in another order than the changes.
    fn set(&mut self, change: Change) {
        let (number, count) = self.counts.entry(change.module).or_default();
        if change.number >= *number {
            (*number, *count) = (change.number, change.count);
        }
    }
}

/// Whose reference somebody else's releases took.
#[derive(Debug)]
pub struct Taking {
    pub by: String,
    pub from: String,
    pub count: u64,
    pub first: Note,
    files: (File, File),
}

fn file_of(module: u32, modules: &Modules) -> File {
    modules.path(module).map(Path::to_owned)
}

impl Device {
    pub(super) fn new(handle: i32) -> Self {
        let about = record::Device { handle, ..record::Device::default() };
        Self { about, ..Self::default() }
    }

    pub(super) fn add(&mut self, record: &Record, call: &Call, modules: &Modules) {
        let note = || Note::new(record, call);
        let releases = call.function.purpose() == Some(Purpose::Release);
        match call.result {
            None => {
                self.unfinished_creations += u64::from(call.acquires());
                return self.unfinished.add(note());
            }
            Some(0) => {}
            Some(800) if releases => self.taken_from_green.add(note()),
            Some(_) => {
                self.denied += u64::from(call.denied);
                self.refusals.add(note());
            }
        }
        if call.created {
            self.creations.add(note());
        }
        if call.ended {
            self.endings.add(note());
        }
        // A green context may have created the primary one.
        let is_primary = call.holding() != Holding::OrdinaryContext;
        self.primary_creations += u64::from(call.created && is_primary);
        self.primary_endings += u64::from(call.ended && call.holding() == Holding::Reference);
        for change in [call.reference, call.other].into_iter().flatten() {
            self.change(change, &note(), modules);
        }
        // The function of the old ABI returns 0 even if there is nothing to release.
        let is_new = call.function.0 == "cuDevicePrimaryCtxRelease_v2";
        if is_new && call.result == Some(0) && call.reference.is_none() && !call.uncounted {
            self.unseen_releases.add(note());
        }
        // The end of a green context takes what its maker or another has, as measured: no taking.
        let ends_green = call.function.purpose() == Some(Purpose::GreenDestroy);
        if let Some(from) = call.taken_from().filter(|_| !ends_green) {
            self.take(from, note(), modules);
        }
    }

    fn change(&mut self, change: Change, note: &Note, modules: &Modules) {
        // The green context itself is a holding of its own.
        if change.holding == Holding::GreenReference {
            return;
        }
        let file = file_of(change.module, modules);
        let known = self
            .holders
            .iter()
            .position(|holder| holder.holding == change.holding && holder.file == file);
        let caller = note.call.caller();
        // The change has 0 for it, so that one holder keeps one count.
        let named = if change.module == 0 && caller == UNRECORDED { caller } else { change.module };
        let index = known.unwrap_or_else(|| {
            self.holders.push(Holder {
                library: modules.name(named),
                holding: change.holding,
                acquired: 0,
                released: 0,
                last_release: None,
                first: note.clone(),
                file: file.clone(),
                counts: HashMap::new(),
            });
            self.holders.len() - 1
        });
        let holder = &mut self.holders[index];
        holder.set(change);
        match note.call.function.purpose() {
            Some(Purpose::Retain | Purpose::Create | Purpose::GreenCreate) => {
                if holder.acquired == 0 {
                    holder.first = note.clone();
                }
                holder.acquired += 1;
            }
            _ if file_of(note.call.caller(), modules) == file => {
                holder.released += 1;
                holder.last_release = Some(note.time);
            }
            _ => {}
        }
    }

    fn take(&mut self, from: u32, note: Note, modules: &Modules) {
        let by = note.call.caller();
        let files = (file_of(by, modules), file_of(from, modules));
        if files.0 == files.1 {
            return;
        }
        match self.takings.iter_mut().find(|taking| taking.files == files) {
            Some(taking) => taking.count += 1,
            None => {
                let (by, from) = (modules.name(by), modules.name(from));
                self.takings.push(Taking { by, from, count: 1, first: note, files });
            }
        }
    }

    pub fn held(&self) -> impl Iterator<Item = &Holder> {
        self.holders.iter().filter(|holder| holder.count() > 0)
    }

    /// Whether a context lives that somebody holds. References stay after a reset, which destroys the
    /// primary context.
    pub fn has_held_context(&self) -> bool {
        self.has_held_primary_context()
            || self.held().any(|holder| holder.holding != Holding::Reference)
    }

    /// Whether the primary context lives, and a library holds a reference to it.
    pub fn has_held_primary_context(&self) -> bool {
        let reset = self.primary_endings > 0 && self.primary_endings >= self.primary_creations;
        !reset && self.held().any(|holder| holder.holding == Holding::Reference)
    }

    pub fn short_name(&self) -> String {
        match self.about.ordinal {
            Some(ordinal) => format!("device {ordinal}"),
            None => format!("device with the handle {}", self.about.handle),
        }
    }

    pub fn name(&self) -> String {
        let name = self.short_name();
        match self.uuid() {
            Some(uuid) => format!("{name} ({uuid})"),
            None => name,
        }
    }

    pub fn uuid(&self) -> Option<String> {
        Some(Uuid::from_bytes(self.about.uuid?).to_string())
    }
}
