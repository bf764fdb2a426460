//! The file into which the witness writes: made here, and read while the program runs.

mod decode;
pub(crate) mod layout;
mod shared_file;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use nix::time::ClockId;

pub use crate::options::Stack;
use crate::processes;
use crate::record::{Address, Event, Process, PythonLine, Record, UNRECORDED};
use crate::unwind::Unwinder;
use shared_file::SharedFile;

/// The name of the variable that tells the witness where the file is.
pub const VARIABLE: &str = layout::ARENA_VARIABLE;

const LONGEST_ONLY: usize = layout::ONLY_BYTES as usize - 1;

/// The file's length. It is sparse, and processes map only the parts that they write to.
const CAPACITY: u64 = 256 << 20;

/// How far the file has room before what is written.
const AHEAD: u64 = 16 << 20;

/// And how far once much is written: this process may not run for a while.
const AHEAD_OF_MANY: u64 = 128 << 20;

/// How long a writer may take over one record before it is taken for dead.
const PATIENCE: Duration = Duration::from_secs(1);

/// No record is longer, nor crosses a multiple of it.
const PIECE: u64 = layout::PIECE_BYTES as u64;

const HEAD: u64 = size_of::<layout::Record>() as u64;

/// What the witness is to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings<'options> {
    /// Which calls have a stack.
    pub stack: Stack,
    /// Whether contexts on devices that are not allowed are refused.
    pub deny: bool,
    /// Whether no device is allowed if `only` names none.
    pub forbid: bool,
    /// The devices that are allowed, as `--only` has them. Empty: it was not given.
    pub only: &'options str,
    /// The file's length. `None`: what the limit of file sizes allows, at most 256 MiB.
    pub capacity: Option<u64>,
}

/// The file.
#[derive(Debug)]
pub struct Arena {
    file: SharedFile,
    capacity: u64,
    /// The part that has room on the disk. Nothing is read beyond it, whatever the header says.
    allocated: u64,
    /// When the command started, by the clock of the records.
    start: u64,
    /// What lies before it has been read.
    cursor: u64,
    /// Since when nothing was to be read at the cursor.
    waiting: Option<Instant>,
    /// Whether the last thing before the cursor was no record.
    skipping: bool,
    damaged: bool,
    /// Calls that were not read yet, by their places, with what was read of their stacks.
    begun: BTreeMap<u64, PythonStack>,
    /// By number: the id that each process sees, and the one that it has here.
    processes: HashMap<u32, (u32, Option<u32>)>,
    unwinder: Unwinder,
    stacks: HashMap<u64, Vec<Address>>,
    /// For each process whose module table is full: where its first stack with an unrecorded module is.
    full: HashMap<u32, u64>,
}

/// Lines of Python with their places in the stack.
#[derive(Debug, Default)]
struct PythonStack {
    lines: Vec<(u32, PythonLine)>,
    is_cut: bool,
}

type Found = Vec<(u64, u64, Record)>;

impl Arena {
    /// Creates it. It fails if there is no room, or if a setting is too long.
    pub fn create(path: &Path, settings: Settings<'_>) -> io::Result<Self> {
        let capacity = settings.capacity.unwrap_or_else(allowed_capacity);
        let ahead = AHEAD.min(capacity);
        if settings.only.len() > LONGEST_ONLY || capacity <= u64::from(layout::HEADER_BYTES) {
            let text = if capacity < CAPACITY {
                "the limit of file sizes is too low"
            } else {
                "--only is too long"
            };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let file = SharedFile::create(path, capacity, ahead)?;
        let mut header: layout::Arena = layout::read(&[]);
        header.magic.copy_from_slice(layout::ARENA_MAGIC.as_bytes());
        header.layout = layout::LAYOUT;
        header.header_bytes = layout::HEADER_BYTES;
        header.capacity = capacity;
        header.available = ahead;
        header.position = layout::HEADER_BYTES.into();
        header.next_module = 1;
        header.next_process = 1;
        header.stacks = match settings.stack {
            Stack::First => layout::STACKS_FIRST,
            Stack::All => layout::STACKS_ALL,
            Stack::None => layout::STACKS_NONE,
        } as u8;
        header.deny = settings.deny.into();
        header.forbid = (settings.forbid || settings.deny).into();
        header.only[..settings.only.len()].copy_from_slice(settings.only.as_bytes());
        file.write(0, layout::bytes(&header))?;
        Ok(Self::of(file, capacity, ahead, now()))
    }

    /// Opens the file of a trace that runs, to read it a single time. Times are since the first event. It
    /// fails if this command does not know the file's layout.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = SharedFile::open(path)?;
        let begin = file.read(0, layout::HEADER_BYTES.into());
        let header: layout::Arena = layout::read(&begin);
        if header.magic != layout::ARENA_MAGIC.as_bytes() || header.layout != layout::LAYOUT {
            let text = "it belongs to another version of cuda-contexts";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let capacity = file.capacity().min(CAPACITY);
        let first: layout::Record = layout::read(&file.read(layout::HEADER_BYTES.into(), HEAD));
        Ok(Self::of(file, capacity, header.available.min(capacity), first.time))
    }

    fn of(file: SharedFile, capacity: u64, allocated: u64, start: u64) -> Self {
        Self {
            file,
            capacity,
            allocated,
            start,
            cursor: layout::HEADER_BYTES.into(),
            waiting: None,
            skipping: false,
            damaged: false,
            begun: BTreeMap::new(),
            processes: HashMap::new(),
            unwinder: Unwinder::default(),
            stacks: HashMap::new(),
            full: HashMap::new(),
        }
    }

    /// What was written since, in the order in which it happened. The `last` time nobody is waited
    /// for, and calls that have not ended are read, too.
    pub fn read(&mut self, last: bool) -> Vec<Record> {
        self.make_room();
        let mut found = Vec::new();
        self.advance(last, &mut found);
        // A call's lines of Python are written before it ends: reading on finds them all.
        let mut ended: Vec<u64> = self.begun.keys().copied().collect();
        ended.retain(|&call| self.has_ended(call));
        self.advance(last, &mut found);
        if last {
            ended = self.begun.keys().copied().collect();
        } else if self.waiting.is_some() {
            ended.clear();
        }
        ended.into_iter().for_each(|call| self.read_call(call, &mut found));
        found.sort_by_key(|(time, place, _)| (*time, *place));
        found.into_iter().map(|(_, _, record)| record).collect()
    }

    /// How many records found no room.
    pub fn lost(&self) -> u64 {
        self.file.word(std::mem::offset_of!(layout::Arena, lost) as u64)
    }

    /// Whether something else than the witness has written to the file, or truncated it. Records may
    /// be missing or wrong.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Since the command started.
    pub fn elapsed(&self) -> Duration {
        self.since_start(now())
    }

    fn since_start(&self, time: u64) -> Duration {
        Duration::from_nanos(time.saturating_sub(self.start))
    }

    fn position(&self) -> u64 {
        self.file.word(std::mem::offset_of!(layout::Arena, position) as u64)
    }

    fn available(&self) -> u64 {
        self.file.word(std::mem::offset_of!(layout::Arena, available) as u64)
    }

    /// Makes sure that the file has room ahead. To be called often while much is written.
    pub fn make_room(&mut self) {
        self.damaged |= self.file.restore_length();
        let (available, position) = (self.available(), self.position());
        if position > self.allocated || available != self.allocated || position < self.cursor {
            self.damaged = true;
            return;
        }
        let ahead = if position > AHEAD / 8 { AHEAD_OF_MANY } else { AHEAD };
        let wanted = (position + ahead).min(self.capacity);
        // Not by every few bytes. If the disk is full, what comes is counted as lost.
        if wanted >= available + AHEAD / 4 && self.file.allocate(available, wanted).is_ok() {
            let place = std::mem::offset_of!(layout::Arena, available) as u64;
            self.damaged |= self.file.set_word(place, wanted).is_err();
            self.allocated = wanted;
        }
    }

    /// Reads on as far as everything is written.
    fn advance(&mut self, last: bool, found: &mut Found) {
        let limit = self.position().min(self.allocated);
        while self.cursor + 8 <= limit {
            // Reading takes time, during which more is written.
            self.make_room();
            let (begin, length) = (self.cursor, (limit - self.cursor).min(PIECE));
            // What the heads say is complete was written before the second copy is made.
            let [heads, bodies] = [(); 2].map(|()| self.file.read(begin, length));
            while let Some(word) = word_at(&heads, self.cursor - begin) {
                let head = head(word, limit - self.cursor);
                let complete = head.is_some_and(|head| u32::from(head.state) != layout::RESERVED);
                if !complete && !last && !self.skipping && !self.patience_is_over() {
                    return;
                }
                self.waiting = None;
                if let Some(head) = head.filter(|_| complete) {
                    let at = (self.cursor - begin) as usize;
                    let body = bodies.get(at..at + head.length as usize);
                    // If a part is missing here, the next copy begins with this record.
                    let Some(body) = body else { break };
                    self.read_record(head.kind.into(), body, found);
                }
                self.damaged |= head.is_none() && word != 0;
                self.skipping = head.is_none();
                self.cursor += match head {
                    Some(head) => head.length.into(),
                    None => self.to_next_record(limit - self.cursor),
                };
            }
        }
        self.waiting = None;
    }

    fn patience_is_over(&mut self) -> bool {
        self.waiting.get_or_insert_with(Instant::now).elapsed() > PATIENCE
    }

    /// How far it is to the next record from one whose writer died before it said how long it is.
    fn to_next_record(&self, room: u64) -> u64 {
        let rest = self.file.read(self.cursor, room.min(PIECE) & !7);
        let mut places = (8..rest.len() as u64).step_by(8);
        let is_record = |&place: &u64| {
            let record: layout::Record = layout::read(&rest[place as usize..]);
            let head = word_at(&rest, place).and_then(|word| head(word, room - place));
            head.is_some() && self.processes.contains_key(&record.process)
        };
        places.find(is_record).unwrap_or(rest.len() as u64)
    }

    fn read_record(&mut self, kind: u32, bytes: &[u8], found: &mut Found) {
        match kind {
            layout::CALL => _ = self.begun.insert(self.cursor, PythonStack::default()),
            layout::STACK => {
                let stack = decode::stack(bytes);
                if stack.modules.contains(&0) {
                    let record: layout::Record = layout::read(bytes);
                    self.full.entry(record.process).or_insert(self.cursor);
                }
                self.stacks.insert(self.cursor, self.unwinder.unwind(&stack));
            }
            layout::PYTHON => {
                let (call, index, line) = decode::python_line(bytes);
                if let Some(stack) = self.begun.get_mut(&call) {
                    stack.lines.push((index, line));
                }
            }
            layout::PYTHON_DUMP => {
                let (call, lines, is_cut) = decode::python_dump(bytes);
                if let Some(stack) = self.begun.get_mut(&call) {
                    stack.lines.extend((0..).zip(lines));
                    stack.is_cut |= is_cut;
                }
            }
            layout::SKIP => {}
            kind => {
                let record: layout::Record = layout::read(bytes);
                let Some(event) = self.event(kind, bytes, &record) else { return };
                found.push((record.time, self.cursor, self.record(&record, record.time, event)));
            }
        }
    }

    fn event(&mut self, kind: u32, bytes: &[u8], record: &layout::Record) -> Option<Event> {
        let mut event = decode::other(kind, bytes)?;
        match &mut event {
            Event::Process(process) => self.add_process(record.process, bytes, process),
            Event::Module(module) => {
                let host_pid = self.processes.get(&record.process).and_then(|ids| ids.1);
                module.file = self.unwinder.add(&layout::read(bytes), &module.path, host_pid);
            }
            Event::ThreadStart(start) => start.thread = self.thread_name(record),
            _ => {}
        }
        Some(event)
    }

    fn add_process(&mut self, number: u32, bytes: &[u8], process: &mut Process) {
        let pid = layout::read::<layout::Process>(bytes).pid;
        process.host_pid = processes::host_pid(pid, process.pid_namespace);
        self.processes.insert(number, (pid, process.host_pid));
    }

    fn record(&self, record: &layout::Record, time: u64, event: Event) -> Record {
        Record {
            process: record.process,
            pid: self.processes.get(&record.process).map_or(0, |ids| ids.0),
            tid: record.tid,
            time: self.since_start(time),
            event,
        }
    }

    /// The name of the thread that wrote a record, if it still lives.
    fn thread_name(&self, record: &layout::Record) -> Option<String> {
        let pid = self.processes.get(&record.process)?.1?;
        processes::thread_name(pid, record.tid)
    }

    fn has_ended(&self, call: u64) -> bool {
        let head = head(self.file.word(call), PIECE);
        head.is_some_and(|head| u32::from(head.state) == layout::ENDED)
    }

    fn read_call(&mut self, place: u64, found: &mut Found) {
        let ended = self.has_ended(place);
        let PythonStack { mut lines, is_cut } = self.begun.remove(&place).unwrap_or_default();
        lines.sort_by_key(|(index, _)| *index);
        let python = lines.into_iter().map(|(_, line)| line).collect();
        let raw: layout::Call =
            layout::read(&self.file.read(place, size_of::<layout::Call>() as u64));
        let stack = self.stacks.get(&raw.stack).map(Vec::as_slice).unwrap_or_default();
        let Some((mut call, time)) = decode::call(&raw, ended, stack, python) else {
            self.damaged = true;
            return;
        };
        call.python_failed |= is_cut;
        if self.full.get(&raw.record.process).is_some_and(|&since| since < place) {
            let unnamed = call.native.iter_mut().filter(|address| address.module == 0);
            unnamed.for_each(|address| address.module = UNRECORDED);
        }
        if call.created {
            call.thread = self.thread_name(&raw.record);
        }
        found.push((time, place, self.record(&raw.record, time, Event::Call(call))));
    }
}

fn word_at(bytes: &[u8], place: u64) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(place as usize..)?.first_chunk()?))
}

/// The head of the record that begins with this word, if it is one and has room.
fn head(word: u64, room: u64) -> Option<layout::Record> {
    let head: layout::Record = layout::read(&word.to_ne_bytes());
    let (kind, length) = (u32::from(head.kind), u64::from(head.length));
    let shortest = if kind == layout::SKIP { 8 } else { HEAD };
    let is_record = u32::from(head.magic) == layout::RECORD_MAGIC
        && (layout::PROCESS..=layout::SKIP).contains(&kind)
        && (layout::RESERVED..=layout::ENDED).contains(&head.state.into())
        && (shortest..=PIECE).contains(&length)
        && length % 8 == 0
        && length <= room;
    is_record.then_some(head)
}

/// How long a file may be: a longer one would end this command by SIGXFSZ.
fn allowed_capacity() -> u64 {
    match getrlimit(Resource::RLIMIT_FSIZE) {
        Ok((limit, _)) => CAPACITY.min(limit & !4095),
        Err(_) => CAPACITY,
    }
}

/// By the clock of the records.
fn now() -> u64 {
    let time = ClockId::CLOCK_MONOTONIC_COARSE.now().expect("every Linux has this clock");
    Duration::from(time).as_nanos() as u64
}
