//! The file into which the witness writes: made here, and read while the program runs.

mod decode;
pub(crate) mod layout;
mod shared_file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::meant::Meant;
use crate::options::Stack;
use crate::record::{Event, PythonLine, Record};
use decode::Bytes;
use shared_file::SharedFile;

/// The name of the variable that tells the witness where the file is.
pub const VARIABLE: &str = layout::VARIABLE;

/// The file's length. It is sparse, and every process maps all of it.
const CAPACITY: u64 = 256 << 20;

/// How far the file has room before what is written.
const AHEAD: u64 = 16 << 20;

/// And how far once much is written: this process may not run for a while.
const AHEAD_OF_MANY: u64 = 128 << 20;

/// How long a writer may take over one record before it is taken for dead.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the witness is to do.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'options> {
    /// Which calls have a stack.
    pub stack: Stack,
    /// Whether contexts on devices that are not meant are refused.
    pub deny: bool,
    /// Whether no device is meant where `only` names none.
    pub forbid: bool,
    /// The device that is meant.
    pub only: Option<&'options Meant>,
}

/// The file.
#[derive(Debug)]
pub struct Arena {
    file: SharedFile,
    /// When the command started, by the clock of the records.
    start: u64,
    /// What lies before it has been read.
    cursor: u64,
    /// Since when nothing was to be read at the cursor.
    waiting: Option<Instant>,
    /// Calls that have begun.
    begun: Vec<u64>,
    /// Lines of Python of calls that have begun, by the call's place.
    python: HashMap<u64, Vec<(u32, PythonLine)>>,
    pids: Vec<u32>,
}

/// The first word of a record.
struct Head {
    length: u64,
    kind: u16,
    state: u8,
}

impl Arena {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// When there is no room, or a setting is too long.
    pub fn create(path: &Path, settings: Settings<'_>) -> io::Result<Self> {
        let file = SharedFile::create(path, CAPACITY, AHEAD)?;
        let start = now();
        let only = settings.only.map(Meant::to_string).unwrap_or_default();
        if only.len() >= layout::ONLY_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "that is no device's name"));
        }
        let stack = match settings.stack {
            Stack::First => layout::STACK_FIRST,
            Stack::All => layout::STACK_ALL,
            Stack::None => layout::STACK_NONE,
        };
        let mut header = vec![0; layout::arena::SIZE];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(layout::arena::MAGIC, layout::MAGIC);
        put(layout::arena::LAYOUT, &layout::LAYOUT.to_ne_bytes());
        put(layout::arena::HEADER_BYTES, &layout::HEADER_BYTES.to_ne_bytes());
        put(layout::arena::CAPACITY, &CAPACITY.to_ne_bytes());
        put(layout::arena::AVAILABLE, &AHEAD.to_ne_bytes());
        put(layout::arena::POSITION, &u64::from(layout::HEADER_BYTES).to_ne_bytes());
        put(layout::arena::NEXT_MODULE, &1_u32.to_ne_bytes());
        put(layout::arena::STACK, &[stack]);
        put(layout::arena::DENY, &[settings.deny.into()]);
        put(layout::arena::ASK, &[1]);
        put(layout::arena::FORBID, &[(settings.forbid || settings.deny).into()]);
        put(layout::arena::ONLY, only.as_bytes());
        file.write(0, &header);
        Ok(Self {
            file,
            start,
            cursor: u64::from(layout::HEADER_BYTES),
            waiting: None,
            begun: Vec::new(),
            python: HashMap::new(),
            pids: Vec::new(),
        })
    }

    /// What was written since, in the order in which it happened. At the `last` time nobody is waited
    /// for, and calls that have not ended are read, too.
    pub fn read(&mut self, last: bool) -> Vec<Record> {
        self.make_room();
        let mut found = Vec::new();
        self.advance(last, &mut found);
        // A call's lines of Python are written before it ends: reading on finds them all.
        let (ended, begun) =
            std::mem::take(&mut self.begun).into_iter().partition(|&call| self.has_ended(call));
        let ended: Vec<u64> = ended;
        self.begun = begun;
        self.advance(last, &mut found);
        if last {
            let begun = std::mem::take(&mut self.begun);
            ended.into_iter().chain(begun).for_each(|call| self.read_call(call, &mut found));
        } else if self.waiting.is_none() {
            ended.into_iter().for_each(|call| self.read_call(call, &mut found));
        } else {
            self.begun.extend(ended);
        }
        found.sort_by_key(|(time, place, _)| (*time, *place));
        found.into_iter().map(|(_, _, record)| record).collect()
    }

    /// How many records found no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.file.word(layout::arena::LOST as u64)
    }

    /// Since the command started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.since_start(now())
    }

    fn since_start(&self, time: u64) -> Duration {
        Duration::from_nanos(time.saturating_sub(self.start))
    }

    /// Sees to it that the file has room ahead. To be called often while much is written.
    pub fn make_room(&self) {
        let available = self.file.word(layout::arena::AVAILABLE as u64);
        let position = self.file.word(layout::arena::POSITION as u64);
        let ahead = if position > AHEAD / 8 { AHEAD_OF_MANY } else { AHEAD };
        let wanted = (position + ahead).min(CAPACITY);
        // Not by every few bytes. Where the disk is full, what comes is counted as lost.
        if wanted >= available + AHEAD / 4 && self.file.allocate(available, wanted).is_ok() {
            self.file.set_word(layout::arena::AVAILABLE as u64, wanted);
        }
    }

    /// Reads on as far as everything is written.
    fn advance(&mut self, last: bool, found: &mut Vec<(u64, u64, Record)>) {
        let position = self.file.word(layout::arena::POSITION as u64);
        let limit = position.min(self.file.word(layout::arena::AVAILABLE as u64));
        while self.cursor + layout::record::SIZE as u64 <= limit {
            let head = self.head(self.cursor, limit);
            let complete = head.as_ref().is_some_and(|head| head.state != layout::RESERVED);
            if !complete && !last && !self.patience_is_over() {
                return;
            }
            self.waiting = None;
            match head {
                Some(head) if complete => {
                    self.read_record(&head, found);
                    self.cursor += head.length;
                }
                // Its writer died over it.
                Some(head) => self.cursor += head.length,
                None => self.cursor = self.next_record(limit),
            }
        }
        self.waiting = None;
    }

    fn patience_is_over(&mut self) -> bool {
        self.waiting.get_or_insert_with(Instant::now).elapsed() > PATIENCE
    }

    /// The head of the record at a place, if that is one.
    fn head(&self, place: u64, limit: u64) -> Option<Head> {
        let word = self.file.word(place).to_ne_bytes();
        let bytes = Bytes(&word);
        let head = Head { length: u64::from(bytes.u32(0)), kind: bytes.u16(4), state: bytes.u8(6) };
        let is_record = bytes.u8(7) == layout::RECORD_MAGIC
            && (layout::KIND_PROCESS..=layout::KIND_BYPASS).contains(&head.kind)
            && (layout::RESERVED..=layout::ENDED).contains(&head.state)
            && head.length >= layout::record::SIZE as u64
            && head.length % 8 == 0
            && place + head.length <= limit;
        is_record.then_some(head)
    }

    /// Where the next record begins behind one whose writer died before it said how long it is.
    fn next_record(&self, limit: u64) -> u64 {
        let mut place = self.cursor + 8;
        while place + layout::record::SIZE as u64 <= limit {
            let pid = self.file.word(place + layout::record::PID as u64) as u32;
            let known = cfg!(target_endian = "little") && self.pids.contains(&pid);
            if known && self.head(place, limit).is_some() {
                return place;
            }
            place += 8;
        }
        limit
    }

    fn read_record(&mut self, head: &Head, found: &mut Vec<(u64, u64, Record)>) {
        if head.kind == layout::KIND_CALL {
            self.begun.push(self.cursor);
            return;
        }
        let bytes = self.file.read(self.cursor, head.length);
        let bytes = Bytes(&bytes);
        if head.kind == layout::KIND_PYTHON_FRAME {
            let (call, index, line) = decode::python_line(&bytes);
            self.python.entry(call).or_default().push((index, line));
            return;
        }
        let Some(event) = decode::other(head.kind, &bytes) else { return };
        if matches!(event, Event::Process(_)) {
            self.pids.push(bytes.u32(layout::record::PID));
        }
        let time = bytes.u64(layout::record::TIME);
        found.push((time, self.cursor, self.record(&bytes, time, event)));
    }

    fn record(&self, bytes: &Bytes<'_>, time: u64, event: Event) -> Record {
        Record {
            pid: bytes.u32(layout::record::PID),
            tid: bytes.u32(layout::record::TID),
            time: self.since_start(time),
            event,
        }
    }

    fn has_ended(&self, call: u64) -> bool {
        self.head(call, CAPACITY).is_some_and(|head| head.state == layout::ENDED)
    }

    fn read_call(&mut self, place: u64, found: &mut Vec<(u64, u64, Record)>) {
        let Some(head) = self.head(place, CAPACITY) else { return };
        let mut python = self.python.remove(&place).unwrap_or_default();
        python.sort_by_key(|(index, _)| *index);
        let python = python.into_iter().map(|(_, line)| line).collect();
        let bytes = self.file.read(place, head.length);
        let bytes = Bytes(&bytes);
        let ended = head.state == layout::ENDED;
        if let Some((call, time)) = decode::call(&bytes, ended, python) {
            found.push((time, place, self.record(&bytes, time, Event::Call(call))));
        }
    }
}

/// By the clock of the records.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is of this frame.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
