//! Records out of bytes. Nothing here trusts a length.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::layout::{self, call, device, frame, module, process, python_frame};
use crate::record::{Address, Call, Device, Event, Function, Module, Process, PythonLine};

/// The bytes of one record, from its beginning. What lies behind them reads as zeros.
pub struct Bytes<'record>(pub &'record [u8]);

impl Bytes<'_> {
    fn number<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    pub fn u8(&self, at: usize) -> u8 {
        u8::from_ne_bytes(self.number(at))
    }

    pub fn u16(&self, at: usize) -> u16 {
        u16::from_ne_bytes(self.number(at))
    }

    pub fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.number(at))
    }

    pub fn i32(&self, at: usize) -> i32 {
        i32::from_ne_bytes(self.number(at))
    }

    pub fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.number(at))
    }

    /// As many bytes as there are of these.
    fn slice(&self, at: usize, length: u32) -> &[u8] {
        let rest = self.0.get(at..).unwrap_or_default();
        &rest[..rest.len().min(length as usize)]
    }

    fn text(&self, at: usize, length: u32) -> String {
        String::from_utf8_lossy(self.slice(at, length)).into_owned()
    }

    fn path(&self, at: usize, length: u32) -> PathBuf {
        OsStr::from_bytes(self.slice(at, length)).into()
    }

    /// Words that each end in a zero.
    fn words(&self, at: usize, length: u32) -> Vec<String> {
        let bytes = self.slice(at, length);
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        if bytes.is_empty() {
            return Vec::new();
        }
        let words = bytes.split(|&byte| byte == 0);
        words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }
}

/// A line of Python, and the place of the call that it belongs to, and which of its lines it is.
pub fn python_line(bytes: &Bytes<'_>) -> (u64, u32, PythonLine) {
    let file_length = bytes.u32(python_frame::FILE_LENGTH);
    let behind = python_frame::SIZE.saturating_add(file_length as usize);
    let line = PythonLine {
        file: bytes.text(python_frame::SIZE, file_length),
        function: bytes.text(behind, bytes.u32(python_frame::FUNCTION_LENGTH)),
        line: u32::try_from(bytes.i32(python_frame::LINE)).ok(),
    };
    (bytes.u64(python_frame::CALL), bytes.u32(python_frame::INDEX), line)
}

/// Everything but calls and lines of Python.
pub fn other(kind: u16, bytes: &Bytes<'_>) -> Option<Event> {
    Some(match kind {
        layout::KIND_PROCESS => Event::Process(process(bytes)),
        layout::KIND_MODULE => {
            let path = bytes.path(module::SIZE, bytes.u32(module::PATH_LENGTH));
            Event::Module(Module { id: bytes.u32(module::ID), path })
        }
        layout::KIND_DEVICE => {
            let uuid = bytes.number(device::UUID);
            Event::Device(Device {
                handle: bytes.i32(device::HANDLE),
                ordinal: u32::try_from(bytes.i32(device::ORDINAL)).ok(),
                uuid: (uuid != [0; 16]).then_some(uuid),
                meant: match bytes.u8(device::MEANT) {
                    layout::MEANT_YES => Some(true),
                    layout::MEANT_NO => Some(false),
                    _ => None,
                },
            })
        }
        layout::KIND_EXIT => Event::Exit,
        layout::KIND_BYPASS => {
            let length = bytes.u32(layout::bypass::PATH_LENGTH);
            Event::Bypass(bytes.path(layout::bypass::SIZE, length))
        }
        _ => return None,
    })
}

fn process(bytes: &Bytes<'_>) -> Process {
    let variables_length = bytes.u32(process::VARIABLES_LENGTH);
    let arguments_length = bytes.u32(process::ARGUMENTS_LENGTH);
    let arguments = process::SIZE.saturating_add(variables_length as usize);
    let executable = arguments.saturating_add(arguments_length as usize);
    let variables = bytes.words(process::SIZE, variables_length);
    let [_, _, minor, major] = bytes.u32(process::PYTHON).to_le_bytes();
    Process {
        parent: bytes.u32(process::PARENT),
        forked: bytes.u32(process::FORKED) != 0,
        start: bytes.u64(process::START),
        meant_ordinal: u32::try_from(bytes.i32(process::MEANT_ORDINAL)).ok(),
        python: (major != 0).then_some((major, minor)),
        variables: variables
            .iter()
            .filter_map(|entry| entry.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        arguments: bytes.words(arguments, arguments_length),
        executable: bytes.path(executable, bytes.u32(process::EXECUTABLE_LENGTH)),
    }
}

/// A call, and when it ended. One that did not end has no answer, and of what is written with the
/// answer only the device is looked at: its thread may be writing.
pub fn call(bytes: &Bytes<'_>, ended: bool, python: Vec<PythonLine>) -> Option<(Call, u64)> {
    let number = usize::from(bytes.u16(call::FUNCTION)).checked_sub(1)?;
    let began = bytes.u64(layout::record::TIME);
    let end = if ended { bytes.u64(call::ENDED).max(began) } else { began };
    let known = if ended { u32::MAX } else { layout::DENIED };
    let flags = bytes.u32(call::FLAGS) & known;
    let has = |flag: u32| flags & flag != 0;
    let frames = 0..usize::from(bytes.u16(call::FRAME_COUNT));
    let native = frames
        .map(|index| call::SIZE + index * frame::SIZE)
        .take_while(|at| at + frame::SIZE <= bytes.0.len())
        .map(|at| Address {
            module: bytes.u32(at + frame::MODULE),
            address: bytes.u64(at + frame::ADDRESS),
        });
    let call = Call {
        function: Function(layout::FUNCTIONS.get(number)?),
        device: Some(bytes.i32(call::DEVICE)).filter(|&device| device != -1),
        context: if ended { bytes.u64(call::CONTEXT) } else { 0 },
        answer: ended.then(|| bytes.u32(call::ANSWER)),
        took: Duration::from_nanos(end - began),
        denied: has(layout::DENIED),
        created: has(layout::CREATED),
        ended: has(layout::ENDED_CONTEXT),
        after_exit: has(layout::AFTER_EXIT),
        python_failed: has(layout::PYTHON_FAILED),
        uncounted: has(layout::TABLE_FULL),
        taken_from: if ended { bytes.u32(call::TAKEN_FROM) } else { 0 },
        device_references: if ended { bytes.i32(call::DEVICE_REFERENCES) } else { 0 },
        native: native.collect(),
        python,
    };
    Some((call, end))
}
