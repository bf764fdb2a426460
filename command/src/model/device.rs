//! One device of one process: its contexts, and who holds them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::record::{self, Call, Purpose, Record};

use super::Modules;
use super::context::{Context, Kind};
use super::notes::{Note, Notes};

/// A device that a process touched.
#[derive(Debug)]
pub struct Device {
    /// What was told of it.
    pub about: record::Device,
    /// Calls that made a context.
    pub creations: Notes,
    /// Calls that ended one.
    pub endings: Notes,
    /// Calls that the driver or the witness refused.
    pub refusals: Notes,
    /// Releases that answered 800: they took the reference of a green context.
    pub taken_from_green: Notes,
    /// Calls in the middle of which the thread ended, or hangs.
    pub unfinished: Notes,
    /// Releases of references that nobody was seen to take.
    pub unseen_releases: Notes,
    /// Who holds or held the primary context, in the order of their first retains.
    pub holders: Vec<Holder>,
    /// Releases that took another's reference.
    pub takings: Vec<Taking>,
    /// Ordinary and green contexts that live.
    pub contexts: Vec<Context>,
    denied: u64,
    /// References that were released before the record of their library's first retain came.
    early: HashMap<File, i64>,
}

/// A library's file, by which it is told from others of its name. `None`: code in no file.
type File = Option<PathBuf>;

/// A library that holds, or has held, references to a primary context.
#[derive(Debug)]
pub struct Holder {
    /// Its name.
    pub library: String,
    /// How many it holds. Records may come in another order than that in which threads did what they
    /// tell: until all have come, this may be less than 0.
    pub references: i64,
    /// How often it retained.
    pub retained: u64,
    /// How many of its references it released itself.
    pub released: u64,
    /// When it did so last.
    pub last_release: Option<Duration>,
    /// Its first retain.
    pub first: Note,
    file: File,
}

/// Whose reference somebody else's releases took.
#[derive(Debug)]
pub struct Taking {
    /// Who released.
    pub by: String,
    /// Whose they were.
    pub from: String,
    /// How many.
    pub count: u64,
    /// The first of these releases.
    pub first: Note,
    files: (File, File),
}

fn file_of(module: u32, modules: &Modules) -> File {
    modules.path(module).map(Path::to_owned)
}

impl Device {
    pub(super) fn new(handle: i32) -> Self {
        Self {
            about: record::Device { handle, ordinal: None, uuid: None, meant: None },
            creations: Notes::default(),
            endings: Notes::default(),
            refusals: Notes::default(),
            taken_from_green: Notes::default(),
            unfinished: Notes::default(),
            unseen_releases: Notes::default(),
            holders: Vec::new(),
            takings: Vec::new(),
            contexts: Vec::new(),
            denied: 0,
            early: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, record: &Record, call: &Call, modules: &Modules) {
        let note = || Note::new(record, call);
        match call.answer {
            None => return self.unfinished.add(note()),
            Some(0) => {}
            Some(800) if call.function.purpose() == Some(Purpose::Release) => {
                self.taken_from_green.add(note());
            }
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
        match (call.function.purpose(), call.answer) {
            (Some(Purpose::Retain), Some(0)) => self.retain(note(), modules),
            (Some(Purpose::Release), _) => self.release(note(), modules),
            // As measured, only the function of the old ABI takes a reference.
            (Some(Purpose::Reset), _) if call.function.0 == "cuDevicePrimaryCtxReset" => {
                self.release(note(), modules);
            }
            (Some(Purpose::Create | Purpose::GreenCreate), Some(0)) => {
                self.contexts.push(Context {
                    library: modules.name(call.caller()),
                    kind: Kind::of(call),
                    handle: call.context,
                    file: file_of(call.caller(), modules),
                });
            }
            (Some(purpose @ (Purpose::Destroy | Purpose::GreenDestroy)), Some(0)) => {
                self.contexts.retain(|context| context.handle != call.context);
                // It may have given back what a library retained, in place of what a release took
                // from it.
                let none_left = call.device_references == 0 && !call.uncounted;
                if purpose == Purpose::GreenDestroy && none_left {
                    self.holders.iter_mut().for_each(|holder| holder.references = 0);
                    self.early.clear();
                }
            }
            _ => {}
        }
    }

    fn retain(&mut self, note: Note, modules: &Modules) {
        let file = file_of(note.call.caller(), modules);
        let known = self.holders.iter_mut().find(|holder| holder.file == file);
        let holder = match known {
            Some(holder) => holder,
            None => {
                let first = note.clone();
                let early = self.early.remove(&file).unwrap_or(0);
                self.holders.push(Holder {
                    library: modules.name(note.call.caller()),
                    references: -early,
                    retained: 0,
                    released: 0,
                    last_release: None,
                    first,
                    file,
                });
                self.holders.last_mut().expect("just added")
            }
        };
        holder.references += 1;
        holder.retained += 1;
    }

    /// As measured, a release that answers 800 takes a reference, too.
    fn release(&mut self, note: Note, modules: &Modules) {
        if !matches!(note.call.answer, Some(0 | 800)) {
            return;
        }
        let (by, from) = (note.call.caller(), note.call.taken_from);
        let files = (file_of(by, modules), file_of(from, modules));
        let holder = self.holders.iter_mut().find(|holder| holder.file == files.1);
        // Nobody's, or of code in no file, if that holds any.
        if from == 0 && holder.as_ref().is_none_or(|holder| holder.references <= 0) {
            // The function of the old ABI answers 0 where there is nothing to release, too.
            if note.call.answer == Some(0) && note.call.function.0 == "cuDevicePrimaryCtxRelease_v2"
            {
                self.unseen_releases.add(note);
            }
            return;
        }
        // Where it held none of its own, the release took that of its green context.
        let mut contexts = self.contexts.iter();
        let green = contexts.any(|each| each.kind == Kind::Green && each.file == files.1);
        match holder {
            Some(holder) => {
                if holder.references > 0 || !green {
                    holder.references -= 1;
                }
                if files.0 == files.1 {
                    holder.released += 1;
                    holder.last_release = Some(note.time);
                }
            }
            None if green => {}
            None => *self.early.entry(files.1.clone()).or_default() += 1,
        }
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

    /// Whether an ordinary or green context of this handle lives on it.
    #[must_use]
    pub fn has_context(&self, handle: u64) -> bool {
        handle != 0 && self.contexts.iter().any(|context| context.handle == handle)
    }

    /// Not meant, and a context was made on it, or was refused by `--deny`.
    #[must_use]
    pub fn is_stray(&self) -> bool {
        self.about.meant == Some(false) && (self.creations.total() > 0 || self.denied > 0)
    }

    /// The references that are held: library and number.
    pub fn held(&self) -> impl Iterator<Item = (&str, u64)> {
        let holding = self.holders.iter().filter(|holder| holder.references > 0);
        holding.map(|holder| (&*holder.library, holder.references.unsigned_abs()))
    }

    /// How people name it.
    #[must_use]
    pub fn name(&self) -> String {
        let place = match self.about.ordinal {
            Some(ordinal) => format!("device {ordinal}"),
            None => format!("device with the handle {}", self.about.handle),
        };
        match self.uuid() {
            Some(uuid) => format!("{place} ({uuid})"),
            None => place,
        }
    }

    /// Its unique id as text.
    #[must_use]
    pub fn uuid(&self) -> Option<String> {
        let bytes = self.about.uuid?;
        let mut text = String::from("GPU");
        for (index, byte) in bytes.iter().enumerate() {
            if [0, 4, 6, 8, 10].contains(&index) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        Some(text)
    }
}
