//! What the witness wrote, read by its layout in `witness/events.h`. The command has a reader of its
//! own: two readings of one page.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;

const HEADER: usize = 4096;
const FUNCTIONS: [&str; 15] = [
    "",
    "cuInit",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxReset",
    "cuDevicePrimaryCtxReset_v2",
    "cuCtxCreate",
    "cuCtxCreate_v2",
    "cuCtxCreate_v3",
    "cuCtxCreate_v4",
    "cuCtxDestroy",
    "cuCtxDestroy_v2",
    "cuGreenCtxCreate",
    "cuGreenCtxDestroy",
];

pub const DENIED: u32 = 1;
pub const CREATED: u32 = 2;
pub const ENDED_CONTEXT: u32 = 4;
pub const TOOK_FROM_OTHERS: u32 = 8;
pub const HAS_STACK: u32 = 16;
pub const AFTER_EXIT: u32 = 32;
pub const PYTHON_FAILED: u32 = 64;

/// How the command would set the arena up.
#[derive(Clone, Copy)]
pub struct Settings {
    pub stack: u8,
    pub deny: bool,
    pub ask: bool,
    pub forbid: bool,
    pub only: &'static str,
    pub length: u64,
    pub available: u64,
}

pub const FIRST: u8 = 0;
pub const ALL: u8 = 1;
pub const NONE: u8 = 2;

impl Default for Settings {
    fn default() -> Self {
        let length = 64 << 20;
        Self {
            stack: FIRST,
            deny: false,
            ask: true,
            forbid: false,
            only: "",
            length,
            available: length,
        }
    }
}

pub fn create(path: &Path, settings: &Settings) {
    let mut header = Vec::new();
    header.extend(b"cudactx\n");
    header.extend(1_u32.to_ne_bytes());
    header.extend(4096_u32.to_ne_bytes());
    header.extend(settings.length.to_ne_bytes());
    header.extend(settings.available.to_ne_bytes());
    header.extend((HEADER as u64).to_ne_bytes());
    header.extend(0_u64.to_ne_bytes());
    header.extend(1_u32.to_ne_bytes());
    header.push(settings.stack);
    header.extend([settings.deny, settings.ask, settings.forbid].map(u8::from));
    header.extend(settings.only.as_bytes());
    fs::write(path, header).unwrap();
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(settings.length).unwrap();
}

#[derive(Debug, Clone)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    pub forked: bool,
    pub python: u32,
    pub variables: Vec<String>,
    pub arguments: Vec<String>,
    pub executable: String,
}

#[derive(Debug, Clone)]
pub struct Device {
    pub pid: u32,
    pub handle: i32,
    pub ordinal: i32,
    pub uuid: [u8; 16],
    pub meant: u8,
}

#[derive(Debug, Clone)]
pub struct Call {
    pub pid: u32,
    pub tid: u32,
    pub function: &'static str,
    pub device: i32,
    pub ended: bool,
    pub answer: i32,
    pub flags: u32,
    /// The path of the module.
    pub taken_from: String,
    pub library_references: i32,
    pub device_references: i32,
    pub device_green: i32,
    pub device_ordinary: i32,
    /// Path of the module and address in its file, innermost first.
    pub frames: Vec<(String, u64)>,
    /// File, line and function, innermost first.
    pub python: Vec<(String, i32, String)>,
}

impl Call {
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// The last component of the path of the library that called.
    pub fn library(&self) -> &str {
        name(&self.frames[0].0)
    }
}

pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

#[derive(Debug, Default)]
pub struct Arena {
    pub lost: u64,
    pub processes: Vec<Process>,
    pub devices: Vec<Device>,
    pub calls: Vec<Call>,
    pub exits: Vec<u32>,
    pub bypasses: Vec<String>,
}

impl Arena {
    /// # Panics
    ///
    /// When there is anything in it that must not be.
    pub fn read(path: &Path) -> Self {
        let (arena, complete) = Self::read_part(path);
        assert!(complete, "a record was left reserved");
        arena
    }

    /// Up to the first record that is being written.
    pub fn read_so_far(path: &Path) -> Self {
        Self::read_part(path).0
    }

    fn read_part(path: &Path) -> (Self, bool) {
        let bytes = fs::read(path).unwrap();
        let whole = Part(&bytes);
        let end = whole.u64(32) as usize;
        let mut arena = Self { lost: whole.u64(40), ..Self::default() };
        let mut modules = HashMap::new();
        let mut calls = HashMap::new();
        let mut at = HEADER;
        while at < end {
            if bytes[at + 6] < 2 {
                return (arena, false);
            }
            let length = whole.u32(at) as usize;
            assert_eq!(bytes[at + 7], 0xC7, "the magic of the record at {at}");
            assert!(length >= 24 && length % 8 == 0, "a record of {length} bytes at {at}");
            let record = Part(&bytes[at..at + length]);
            match record.u16(4) {
                1 => arena.processes.push(process(record)),
                2 => {
                    modules.insert(record.u32(24), module_path(record));
                }
                3 => arena.devices.push(device(record)),
                4 => {
                    calls.insert(at, arena.calls.len());
                    arena.calls.push(call(record, &modules));
                }
                5 => {
                    let call = &mut arena.calls[calls[&(record.u64(24) as usize)]];
                    assert_eq!(record.u32(32) as usize, call.python.len(), "frames in order");
                    call.python.push(python_frame(record));
                }
                6 => arena.exits.push(record.u32(8)),
                7 => arena.bypasses.push(record.text(32, record.u32(24))),
                other => panic!("a record of kind {other} at {at}"),
            }
            at += length;
        }
        assert_eq!(at, end);
        (arena, true)
    }

    pub fn of(&self, function: &str) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.function == function).collect()
    }
}

#[derive(Clone, Copy)]
struct Part<'bytes>(&'bytes [u8]);

impl Part<'_> {
    fn u16(self, at: usize) -> u16 {
        u16::from_ne_bytes(self.0[at..at + 2].try_into().unwrap())
    }

    fn u32(self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn i32(self, at: usize) -> i32 {
        self.u32(at) as i32
    }

    fn u64(self, at: usize) -> u64 {
        u64::from_ne_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    fn text(self, at: usize, length: u32) -> String {
        String::from_utf8(self.0[at..at + length as usize].to_vec()).expect("UTF-8")
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn process(record: Part<'_>) -> Process {
    let (variables, arguments) = (record.u32(48), record.u32(52));
    let after = 64 + variables as usize;
    Process {
        pid: record.u32(8),
        parent: record.u32(24),
        forked: record.u32(28) != 0,
        python: record.u32(44),
        variables: words(&record.text(64, variables)),
        arguments: words(&record.text(after, arguments)),
        executable: record.text(after + arguments as usize, record.u32(56)),
    }
}

fn module_path(record: Part<'_>) -> String {
    record.text(32, record.u32(28))
}

fn device(record: Part<'_>) -> Device {
    Device {
        pid: record.u32(8),
        handle: record.i32(24),
        ordinal: record.i32(28),
        uuid: record.0[32..48].try_into().unwrap(),
        meant: record.0[48],
    }
}

fn call(record: Part<'_>, modules: &HashMap<u32, String>) -> Call {
    let module = |id: u32| match id {
        0 => String::new(),
        id => modules.get(&id).cloned().unwrap_or_else(|| panic!("no record of module {id}")),
    };
    let frames = (0..record.u16(26) as usize).map(|index| 88 + 16 * index);
    Call {
        pid: record.u32(8),
        tid: record.u32(12),
        function: FUNCTIONS[record.u16(24) as usize],
        device: record.i32(28),
        ended: record.0[6] == 3,
        answer: record.i32(56),
        flags: record.u32(60),
        taken_from: module(record.u32(64)),
        library_references: record.i32(68),
        device_references: record.i32(72),
        device_green: record.i32(76),
        device_ordinary: record.i32(80),
        frames: frames.map(|at| (module(record.u32(at + 8)), record.u64(at))).collect(),
        python: Vec::new(),
    }
}

fn python_frame(record: Part<'_>) -> (String, i32, String) {
    let file = record.u32(40);
    (record.text(48, file), record.i32(36), record.text(48 + file as usize, record.u32(44)))
}
