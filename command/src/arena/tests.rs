use std::mem::offset_of;
use std::time::Duration;

use super::{AHEAD, Arena, Settings, layout};
use crate::model::{Modules, UNKNOWN_CODE};
use crate::record::{Event, Record};
use crate::unwind::Random;

const PID: u32 = 40;
const NUMBER: u32 = 3;

/// The arguments of a program that sets a title, as setproctitle does: the rest becomes zeros.
const TITLE: &[u8] = b"worker\0\0\0\0";

/// A writer that does what `events.h` asks for, step by step.
struct Writer {
    arena: Arena,
    _folder: tempfile::TempDir,
}

impl Writer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arena = Arena::create(&folder.path().join("events"), Settings::default()).unwrap();
        let mut writer = Self { arena, _folder: folder };
        writer.process();
        writer
    }

    fn reserve(&mut self, length: u64) -> u64 {
        let place = self.arena.position();
        self.set_position(place + length);
        place
    }

    fn set_position(&mut self, position: u64) {
        self.arena.file.set_word(offset_of!(layout::Arena, position) as u64, position).unwrap();
    }

    fn head(&self, length: u64, kind: u32, state: u32, time: u64) -> layout::Record {
        layout::Record {
            length: length as u32,
            kind: kind as u16,
            state: state as u8,
            magic: layout::RECORD_MAGIC as u8,
            process: NUMBER,
            tid: 7,
            time,
        }
    }

    fn store_head(&mut self, place: u64, length: u64, kind: u32, state: u32) {
        let head = self.head(length, kind, state, self.arena.start + place);
        self.arena.file.write(place, layout::bytes(&head)).unwrap();
    }

    /// A record of this struct, whose head is set here, and of what lies behind it.
    fn record<Raw: layout::Plain>(&mut self, kind: u32, raw: &Raw, behind: &[u8]) -> u64 {
        let length = (size_of::<Raw>() + behind.len()).next_multiple_of(8) as u64;
        let place = self.reserve(length);
        self.arena.file.write(place, layout::bytes(raw)).unwrap();
        self.arena.file.write(place + size_of::<Raw>() as u64, behind).unwrap();
        self.store_head(place, length, kind, layout::WRITTEN);
        place
    }

    fn process(&mut self) -> u64 {
        let arguments_length = TITLE.len() as u32;
        let raw = layout::Process { pid: PID, arguments_length, ..layout::read(&[]) };
        self.record(layout::PROCESS, &raw, TITLE)
    }

    fn call(&mut self) -> u64 {
        let raw = layout::Call {
            function: 2,
            device: 100,
            flags: layout::CREATED,
            caller: 0x40,
            module: 7,
            ..layout::read(&[])
        };
        self.record(layout::CALL, &raw, &[])
    }

    fn python_line(&mut self, call: u64, index: u32, function: &str) {
        let raw = layout::Python {
            call,
            index,
            line: 3,
            file_length: 4,
            function_length: function.len() as u32,
            ..layout::read(&[])
        };
        let behind = format!("s.py{function}");
        self.record(layout::PYTHON, &raw, behind.as_bytes());
    }

    fn change(&mut self, place: u64, change: impl FnOnce(&mut layout::Call)) {
        let mut raw = layout::read(&self.arena.file.read(place, size_of::<layout::Call>() as u64));
        change(&mut raw);
        self.arena.file.write(place, layout::bytes(&raw)).unwrap();
    }

    /// The driver has returned.
    fn end(&mut self, call: u64) {
        let ended = self.arena.start + self.arena.position();
        self.change(call, |raw| {
            raw.ended = ended;
            raw.record.state = layout::ENDED as u8;
        });
    }

    fn ended_call(&mut self) -> u64 {
        let call = self.call();
        self.end(call);
        call
    }

    fn read(&mut self) -> Vec<Record> {
        self.arena.read(false)
    }
}

fn calls(records: &[Record]) -> usize {
    records.iter().filter(|record| matches!(record.event, Event::Call(_))).count()
}

#[test]
fn a_title_loses_its_padding() {
    let records = Writer::new().read();
    let [Record { event: Event::Process(process), .. }] = &*records else { panic!("{records:?}") };
    assert_eq!(process.arguments, ["worker"]);
}

#[test]
fn a_call_is_read_when_it_has_ended_with_its_lines_in_order() {
    let mut writer = Writer::new();
    writer.read();
    let call = writer.call();
    writer.python_line(call, 1, "main");
    assert!(writer.read().is_empty());
    writer.python_line(call, 0, "helper");
    writer.end(call);
    let [record] = &*writer.read() else { panic!("one record") };
    let Event::Call(call) = &record.event else { panic!("{record:?}") };
    assert_eq!((call.function.0, call.device), ("cuDevicePrimaryCtxRetain", Some(100)));
    assert_eq!((call.result, call.created, call.caller()), (Some(0), true, 7));
    assert!(call.took > Duration::ZERO);
    let functions: Vec<_> = call.python.iter().map(|line| &*line.function).collect();
    assert_eq!(functions, ["helper", "main"]);
    assert_eq!((&*call.python[0].file, call.python[0].line), ("s.py", Some(3)));
}

#[test]
fn a_call_that_has_not_ended_at_the_end_has_no_result() {
    let mut writer = Writer::new();
    writer.read();
    let call = writer.call();
    // Its thread is about to write what the driver did.
    writer.change(call, |raw| {
        raw.flags = u32::MAX;
        raw.context = 9;
        raw.references = 4;
        raw.reference =
            layout::Change { module: 5, holding: layout::REFERENCE, count: 1, number: 1 };
    });
    writer.ended_call();
    assert_eq!(calls(&writer.read()), 1);
    let [record] = &*writer.arena.read(true) else { panic!("one record") };
    let Event::Call(call) = &record.event else { panic!("{record:?}") };
    assert_eq!((call.result, call.denied), (None, true));
    assert!(!call.created && !call.ended && !call.uncounted, "{call:?}");
    assert_eq!((call.context, call.reference, call.references), (0, None, 0));
}

#[test]
fn code_is_unknown_if_the_witness_has_no_room_for_its_file() {
    let mut writer = Writer::new();
    writer.read();
    let mut call = |stack: u64, module: u32| {
        let call = writer.ended_call();
        writer.change(call, |raw| {
            (raw.module, raw.stack) = (0, stack);
            (raw.reference.module, raw.reference.holding) = (0, layout::REFERENCE);
        });
        let [record] = &*writer.arena.read(false) else { panic!("one record") };
        let Event::Call(call) = &record.event else { panic!("{record:?}") };
        let stack = layout::Stack { module_count: 1, ..layout::read(&[]) };
        let place = writer.record(layout::STACK, &stack, &module.to_ne_bytes());
        assert_eq!(call.reference.unwrap().module, 0, "a holder has one count");
        let names: Vec<_> =
            call.native.iter().map(|frame| Modules::default().name(frame.module)).collect();
        (place, names)
    };
    let (stack, _) = call(0, layout::UNLOADED);
    let (stack, names) = call(stack, 0);
    assert_eq!(names, ["code in no file"], "a module that was unloaded is not missing");
    let (_, names) = call(stack, 0);
    assert_eq!(names, [UNKNOWN_CODE]);
}

#[test]
fn a_writer_that_is_slow_is_waited_for() {
    let mut writer = Writer::new();
    writer.read();
    let length = size_of::<layout::Exit>() as u64;
    let place = writer.reserve(length);
    writer.ended_call();
    assert!(writer.read().is_empty());
    writer.store_head(place, length, layout::EXIT, layout::RESERVED);
    assert!(writer.read().is_empty());
    writer.store_head(place, length, layout::EXIT, layout::WRITTEN);
    assert_eq!(writer.read().len(), 2);
    assert!(!writer.arena.is_damaged());
}

#[test]
fn a_writer_that_died_costs_its_own_record_alone() {
    let mut writer = Writer::new();
    writer.read();
    // One before it said its length, one after.
    let place = writer.reserve(64);
    writer.arena.file.write(place + 8, &[0xC7; 40]).unwrap(); // as a record's own text could look
    let place = writer.reserve(24);
    writer.store_head(place, 24, layout::EXIT, layout::RESERVED);
    writer.ended_call();
    assert!(writer.read().is_empty());
    let since = writer.arena.waiting.unwrap();
    writer.arena.waiting = since.checked_sub(2 * super::PATIENCE);
    let mut read = writer.read();
    read.extend(writer.arena.read(true));
    assert_eq!(calls(&read), 1, "{read:?}");
}

/// A length, a position or a room that cannot be, and a file that was truncated.
#[test]
fn what_a_program_scribbles_is_noticed_and_ends_nothing() {
    type Scribble = (&'static str, fn(&mut Writer));
    let scribbles: [Scribble; 4] = [
        ("position", |writer| writer.set_position(1 << 40)),
        ("available", |writer| {
            let place = offset_of!(layout::Arena, available) as u64;
            writer.arena.file.set_word(place, u64::MAX).unwrap();
        }),
        ("records", |writer| {
            let place = writer.reserve(4096);
            writer.arena.file.write(place, &[0x41; 4096]).unwrap();
        }),
        ("length", |writer| {
            let path = writer._folder.path().join("events");
            std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
        }),
    ];
    for (name, scribble) in scribbles {
        let mut writer = Writer::new();
        writer.read();
        scribble(&mut writer);
        assert!(writer.arena.read(true).is_empty(), "{name}");
        assert!(writer.arena.is_damaged(), "{name}");
    }
}

/// Bytes of records changed at random: whatever is read, nothing fails. The seed is fixed.
#[test]
fn random_damage_ends_nothing() {
    let mut random = Random(20_261_130);
    let mut read = 0;
    for _ in 0..300 {
        let mut writer = Writer::new();
        let begin = u64::from(layout::HEADER_BYTES);
        for _ in 0..4 {
            let call = writer.ended_call();
            writer.python_line(call, 0, "main");
            let stack = layout::Stack { word_count: 64, module_count: 1, ..layout::read(&[]) };
            writer.record(layout::STACK, &stack, &[1; 40]);
            let module = layout::Module { id: 7, path_length: 16, ..layout::read(&[]) };
            writer.record(layout::MODULE, &module, b"/lib/libx.so.1");
            let dump = layout::PythonDump { call, length: 40, ..layout::read(&[]) };
            let text = b"  File \"\\xf6.py\", line 3 in \\u0416\n";
            writer.record(layout::PYTHON_DUMP, &dump, text);
            let exit = layout::Exit { thread_count: 1, ..layout::read(&[]) };
            writer.record(layout::EXIT, &exit, &[b'a'; 24]);
        }
        let length = (writer.arena.position() - begin) as usize;
        for _ in 0..=random.below(20) {
            // A byte, or a number that cannot be.
            let (count, byte) =
                if random.below(3) == 0 { (4, 0xff) } else { (1, random.below(256) as u8) };
            let place = begin + random.below(length - 4) as u64;
            writer.arena.file.write(place, &[byte; 4][..count]).unwrap();
        }
        read += writer.arena.read(true).len();
    }
    assert!(read > 300, "{read}");
}

#[test]
fn the_rest_of_a_piece_is_skipped() {
    let mut writer = Writer::new();
    writer.read();
    let rest = super::PIECE - writer.arena.position() - 8;
    writer.reserve(rest);
    let place = writer.arena.position() - rest;
    writer.store_head(place, rest, layout::SKIP, layout::WRITTEN);
    let place = writer.reserve(8);
    let head = writer.head(8, layout::SKIP, layout::WRITTEN, 0);
    writer.arena.file.write(place, &layout::bytes(&head)[..8]).unwrap();
    writer.process();
    assert_eq!(writer.read().len(), 1);
    assert!(!writer.arena.is_damaged());
}

#[test]
fn there_is_always_room_ahead() {
    let mut writer = Writer::new();
    for _ in 0..3 {
        writer.reserve(AHEAD / 2);
        writer.arena.make_room();
        let room = writer.arena.available() - writer.arena.position();
        assert!(room >= AHEAD / 2, "{room}");
    }
    assert_eq!(writer.arena.lost(), 0);
}
