//! Records out of bytes. Nothing here trusts a length or a number.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::layout;
use crate::processes::command_words;
use crate::record::{
    Address, Call, Change, Device, Event, Function, Holding, Module, Process, PythonLine, Thread,
    ThreadStart,
};
use crate::unwind::Stack;

const MOST_PYTHON_LINES: usize = layout::MAXIMUM_PYTHON_LINES as usize;

/// What lies behind the struct of a record.
struct Behind<'record>(&'record [u8]);

impl<'record> Behind<'record> {
    fn of<Value>(bytes: &'record [u8]) -> Self {
        Self(bytes.get(size_of::<Value>()..).unwrap_or_default())
    }

    /// The next so many bytes, or as many as there are.
    fn take(&mut self, length: u32) -> &'record [u8] {
        let (taken, rest) = self.0.split_at(self.0.len().min(length as usize));
        self.0 = rest;
        taken
    }

    fn text(&mut self, length: u32) -> String {
        String::from_utf8_lossy(self.take(length)).into_owned()
    }

    fn path(&mut self, length: u32) -> PathBuf {
        OsStr::from_bytes(self.take(length)).into()
    }
}

/// A line of Python, and the place of the call that it belongs to, and which of its lines it is.
pub fn python_line(bytes: &[u8]) -> (u64, u32, PythonLine) {
    let raw: layout::Python = layout::read(bytes);
    let mut behind = Behind::of::<layout::Python>(bytes);
    let file = behind.text(raw.file_length);
    let function = behind.text(raw.function_length);
    (raw.call, raw.index, PythonLine { file, function, line: u32::try_from(raw.line).ok() })
}

/// The place of a call, its lines as Python wrote them, and whether some are missing.
pub fn python_dump(bytes: &[u8]) -> (u64, Vec<PythonLine>, bool) {
    let raw: layout::PythonDump = layout::read(bytes);
    let text = Behind::of::<layout::PythonDump>(bytes).text(raw.length);
    let mut lines: Vec<PythonLine> = text.lines().filter_map(dumped_line).collect();
    let is_cut = !text.ends_with('\n') || lines.len() > MOST_PYTHON_LINES;
    lines.truncate(MOST_PYTHON_LINES);
    (raw.call, lines, is_cut)
}

/// `  File "NAME", line NUMBER in FUNCTION`, with `???` for an unknown number.
fn dumped_line(line: &str) -> Option<PythonLine> {
    let (file, rest) = line.strip_prefix("  File \"")?.rsplit_once("\", line ")?;
    let (number, function) = rest.split_once(" in ")?;
    let line = number.parse().ok();
    Some(PythonLine { file: unescape(file), function: unescape(function), line })
}

/// Python writes letters beyond ASCII as `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = match part.as_bytes().first() {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let number = part.get(1..=digits).and_then(|text| u32::from_str_radix(text, 16).ok());
        match number.and_then(char::from_u32) {
            Some(letter) => whole.extend([letter].into_iter().chain(part[1 + digits..].chars())),
            None => whole.extend(["\\", part]),
        }
    }
    whole
}

pub fn stack(bytes: &[u8]) -> Stack {
    let raw: layout::Stack = layout::read(bytes);
    let mut behind = Behind::of::<layout::Stack>(bytes);
    let numbers = |bytes: &[u8]| -> Vec<u64> {
        bytes
            .chunks_exact(8)
            .map(|chunk| u64::from_ne_bytes(chunk.try_into().expect("8 bytes")))
            .collect()
    };
    let word_count = raw.word_count.min(layout::STACK_BYTES / 8);
    let kept = numbers(behind.take(word_count.div_ceil(64) * 8));
    let count: u32 = kept.iter().map(|bits| bits.count_ones()).sum();
    let mut words = numbers(behind.take(count * 8)).into_iter();
    let is_kept = |index: u32| {
        kept.get(index as usize / 64).is_some_and(|bits| bits >> (index % 64) & 1 != 0)
    };
    let words =
        (0..word_count).map(|index| is_kept(index).then(|| words.next()).flatten()).collect();
    let modules = behind.take(raw.module_count.saturating_mul(4));
    let modules = modules.chunks_exact(4);
    Stack {
        registers: raw.registers,
        first: raw.first,
        words,
        modules: modules.map(|id| u32::from_ne_bytes(id.try_into().expect("4 bytes"))).collect(),
    }
}

/// Everything but calls, stacks and lines of Python.
pub fn other(kind: u32, bytes: &[u8]) -> Option<Event> {
    Some(match kind {
        layout::PROCESS => Event::Process(process(bytes)),
        layout::MODULE => {
            let raw: layout::Module = layout::read(bytes);
            let path = Behind::of::<layout::Module>(bytes).path(raw.path_length);
            Event::Module(Module { id: raw.id, path, file: None })
        }
        layout::DEVICE => {
            let raw: layout::Device = layout::read(bytes);
            Event::Device(Device {
                handle: raw.handle,
                ordinal: u32::try_from(raw.ordinal).ok(),
                count: u32::try_from(raw.count).ok(),
                named: raw.named,
                uuid: (raw.uuid != [0; 16]).then_some(raw.uuid),
                allowed: match raw.allowed {
                    layout::ALLOWED_YES => Some(true),
                    layout::ALLOWED_NO => Some(false),
                    _ => None,
                },
            })
        }
        layout::EXIT => {
            let raw: layout::Exit = layout::read(bytes);
            let threads =
                Behind::of::<layout::Exit>(bytes).0.chunks_exact(size_of::<layout::Thread>());
            Event::Exit(threads.take(raw.thread_count as usize).map(thread).collect())
        }
        layout::BYPASS => {
            let raw: layout::Bypass = layout::read(bytes);
            Event::Bypass(Behind::of::<layout::Bypass>(bytes).path(raw.path_length))
        }
        layout::THREAD_START => {
            let raw: layout::ThreadStart = layout::read(bytes);
            Event::ThreadStart(ThreadStart { device: raw.device, thread: None })
        }
        _ => return None,
    })
}

fn thread(bytes: &[u8]) -> Thread {
    let raw: layout::Thread = layout::read(bytes);
    let name = raw.name.split(|&byte| byte == 0).next().unwrap_or_default();
    Thread { tid: raw.tid, name: String::from_utf8_lossy(name).into_owned() }
}

fn process(bytes: &[u8]) -> Process {
    let raw: layout::Process = layout::read(bytes);
    let mut behind = Behind::of::<layout::Process>(bytes);
    let variables = behind.text(raw.variables_length);
    let [_, _, minor, major] = raw.python.to_le_bytes();
    Process {
        forked_from: Some(raw.forked_from).filter(|&number| number != 0),
        parent: raw.parent_pid,
        start: raw.start,
        pid_namespace: raw.pid_namespace,
        host_pid: None,
        local_rank: u32::try_from(raw.local_rank).ok(),
        python: (major != 0).then_some((major, minor)),
        variables: variables
            .split('\0')
            .filter_map(|entry| entry.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        arguments: command_words(behind.take(raw.arguments_length)),
        executable: behind.path(raw.executable_length),
    }
}

/// A call, and when it ended. One that did not end has no result, and nothing else that is written
/// with the result: its thread may be writing.
pub fn call(
    raw: &layout::Call,
    ended: bool,
    stack: &[Address],
    python: Vec<PythonLine>,
) -> Option<(Call, u64)> {
    let number = (raw.function as usize).checked_sub(1)?;
    let end = if ended { raw.ended.max(raw.record.time) } else { raw.record.time };
    let flags = raw.flags & if ended { u32::MAX } else { layout::DENIED };
    let has = |flag: u32| flags & flag != 0;
    let caller = Address { module: raw.module, address: raw.caller };
    // The stack begins in the witness.
    let behind = stack.iter().position(|frame| *frame == caller).map_or(stack.len(), |at| at + 1);
    let call = Call {
        function: Function(layout::FUNCTIONS.get(number)?),
        device: Some(raw.device).filter(|&device| device != -1),
        context: if ended { raw.context } else { 0 },
        result: ended.then_some(raw.result as u32),
        took: Duration::from_nanos(end - raw.record.time),
        denied: has(layout::DENIED),
        created: has(layout::CREATED),
        ended: has(layout::ENDED_CONTEXT),
        after_exit: has(layout::AFTER_EXIT),
        python_failed: has(layout::PYTHON_FAILED),
        uncounted: has(layout::TABLE_FULL),
        visible_changed: has(layout::VISIBLE_CHANGED),
        references: if ended { raw.references.try_into().unwrap_or(0) } else { 0 },
        reference: change(&raw.reference).filter(|_| ended),
        other: change(&raw.other).filter(|_| ended),
        thread: None,
        native: std::iter::once(caller).chain(stack[behind..].iter().copied()).collect(),
        python,
    };
    Some((call, end))
}

fn change(raw: &layout::Change) -> Option<Change> {
    let holding = match raw.holding {
        layout::REFERENCE => Holding::Reference,
        layout::GREEN_REFERENCE => Holding::GreenReference,
        layout::GREEN_CONTEXT => Holding::GreenContext,
        layout::ORDINARY_CONTEXT => Holding::OrdinaryContext,
        _ => return None,
    };
    Some(Change { module: raw.module, holding, count: raw.count, number: raw.number })
}
