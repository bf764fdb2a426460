use std::time::Duration;

use super::{AHEAD, Arena, Settings, layout};
use crate::options::Stack;
use crate::record::{Event, Record};

const PID: u32 = 40;

/// A writer that does what `events.h` asks for, step by step.
struct Writer {
    arena: Arena,
    _folder: tempfile::TempDir,
}

impl Writer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { stack: Stack::All, deny: false, forbid: false, only: None };
        let arena = Arena::create(&folder.path().join("events"), settings).unwrap();
        let mut writer = Self { arena, _folder: folder };
        writer.process();
        writer
    }

    fn reserve(&mut self, length: u64) -> u64 {
        let position = layout::arena::POSITION as u64;
        let place = self.arena.file.word(position);
        self.arena.file.set_word(position, place + length);
        place
    }

    fn store_word(&mut self, place: u64, length: u64, kind: u16, state: u8) {
        let mut word = [0; 8];
        word[..4].copy_from_slice(&(length as u32).to_ne_bytes());
        word[4..6].copy_from_slice(&kind.to_ne_bytes());
        word[6..].copy_from_slice(&[state, layout::RECORD_MAGIC]);
        self.arena.file.set_word(place, u64::from_ne_bytes(word));
    }

    /// A record with these fields, by place and bytes, in this state.
    fn record(&mut self, kind: u16, state: u8, size: usize, fields: &[(usize, &[u8])]) -> u64 {
        let length = size.next_multiple_of(8) as u64;
        let place = self.reserve(length);
        let time = self.arena.start + place;
        let head: [(usize, &[u8]); 2] = [
            (layout::record::PID, &PID.to_ne_bytes()),
            (layout::record::TIME, &time.to_ne_bytes()),
        ];
        for (at, bytes) in head.iter().chain(fields) {
            self.arena.file.write(place + *at as u64, bytes);
        }
        self.store_word(place, length, kind, state);
        place
    }

    fn process(&mut self) -> u64 {
        let (variables, arguments) = (b"LOCAL_RANK=1\0", b"python3\0stray.py\0");
        let executable = b"/usr/bin/python3";
        let base = layout::process::SIZE;
        let behind = [base, base + variables.len(), base + variables.len() + arguments.len()];
        let lengths = [variables.len(), arguments.len(), executable.len()];
        let size = base + lengths.iter().sum::<usize>();
        let lengths = lengths.map(|length| (length as u32).to_ne_bytes());
        self.record(
            layout::KIND_PROCESS,
            layout::WRITTEN,
            size,
            &[
                (layout::process::PARENT, &39_u32.to_ne_bytes()),
                (layout::process::PYTHON, &0x030b_07f0_u32.to_ne_bytes()),
                (layout::process::VARIABLES_LENGTH, &lengths[0]),
                (layout::process::ARGUMENTS_LENGTH, &lengths[1]),
                (layout::process::EXECUTABLE_LENGTH, &lengths[2]),
                (behind[0], variables),
                (behind[1], arguments),
                (behind[2], executable),
            ],
        )
    }

    fn call(&mut self, state: u8) -> u64 {
        self.record(
            layout::KIND_CALL,
            state,
            layout::call::SIZE + layout::frame::SIZE,
            &[
                (layout::call::FUNCTION, &2_u16.to_ne_bytes()),
                (layout::call::FRAME_COUNT, &1_u16.to_ne_bytes()),
                (layout::call::DEVICE, &100_i32.to_ne_bytes()),
                (layout::call::FLAGS, &layout::CREATED.to_ne_bytes()),
                (layout::call::SIZE + layout::frame::ADDRESS, &0x40_u64.to_ne_bytes()),
                (layout::call::SIZE + layout::frame::MODULE, &7_u32.to_ne_bytes()),
            ],
        )
    }

    fn python_line(&mut self, call: u64, index: u32, function: &str) {
        let size = layout::python_frame::SIZE;
        self.record(
            layout::KIND_PYTHON_FRAME,
            layout::WRITTEN,
            size + 4 + function.len(),
            &[
                (layout::python_frame::CALL, &call.to_ne_bytes()),
                (layout::python_frame::INDEX, &index.to_ne_bytes()),
                (layout::python_frame::LINE, &3_i32.to_ne_bytes()),
                (layout::python_frame::FILE_LENGTH, &4_u32.to_ne_bytes()),
                (layout::python_frame::FUNCTION_LENGTH, &(function.len() as u32).to_ne_bytes()),
                (size, b"s.py"),
                (size + 4, function.as_bytes()),
            ],
        );
    }

    /// The driver has answered.
    fn end(&mut self, call: u64) {
        let ended = self.arena.start + self.arena.file.word(layout::arena::POSITION as u64);
        self.arena.file.write(call + layout::call::ENDED as u64, &ended.to_ne_bytes());
        let length = (layout::call::SIZE + layout::frame::SIZE) as u64;
        self.store_word(call, length, layout::KIND_CALL, layout::ENDED);
    }

    fn read(&mut self) -> Vec<Record> {
        self.arena.read(false)
    }
}

fn calls(records: &[Record]) -> usize {
    records.iter().filter(|record| matches!(record.event, Event::Call(_))).count()
}

#[test]
fn a_process_has_its_command_line_its_variables_and_its_python() {
    let mut writer = Writer::new();
    let [record] = &*writer.read() else { panic!("one record") };
    let Event::Process(process) = &record.event else { panic!("{record:?}") };
    assert_eq!((record.pid, process.parent, process.python), (PID, 39, Some((3, 11))));
    assert_eq!(process.arguments, ["python3", "stray.py"]);
    assert_eq!(process.variables, [("LOCAL_RANK".to_owned(), "1".to_owned())]);
    assert_eq!(process.executable.to_str(), Some("/usr/bin/python3"));
    assert!(writer.read().is_empty());
}

#[test]
fn a_call_is_read_when_it_has_ended_with_its_lines_in_order() {
    let mut writer = Writer::new();
    writer.read();
    let call = writer.call(layout::WRITTEN);
    writer.python_line(call, 1, "main");
    assert!(writer.read().is_empty());
    writer.python_line(call, 0, "helper");
    writer.end(call);
    let [record] = &*writer.read() else { panic!("one record") };
    let Event::Call(call) = &record.event else { panic!("{record:?}") };
    assert_eq!((call.function.0, call.device), ("cuDevicePrimaryCtxRetain", Some(100)));
    assert_eq!((call.answer, call.created, call.caller()), (Some(0), true, 7));
    assert!(call.took > Duration::ZERO);
    let functions: Vec<_> = call.python.iter().map(|line| &*line.function).collect();
    assert_eq!(functions, ["helper", "main"]);
    assert_eq!((&*call.python[0].file, call.python[0].line), ("s.py", Some(3)));
}

#[test]
fn a_call_that_has_not_ended_at_the_end_has_no_answer() {
    let mut writer = Writer::new();
    writer.read();
    let call = writer.call(layout::WRITTEN);
    // Its thread is about to write what the driver did.
    let flags = layout::DENIED | layout::CREATED | layout::ENDED_CONTEXT | layout::TABLE_FULL;
    writer.arena.file.write(call + layout::call::FLAGS as u64, &flags.to_ne_bytes());
    writer.arena.file.write(call + layout::call::CONTEXT as u64, &9_u64.to_ne_bytes());
    writer.arena.file.write(call + layout::call::TAKEN_FROM as u64, &5_u32.to_ne_bytes());
    let later = writer.call(layout::WRITTEN);
    writer.end(later);
    assert_eq!(calls(&writer.read()), 1);
    let [record] = &*writer.arena.read(true) else { panic!("one record") };
    let Event::Call(call) = &record.event else { panic!("{record:?}") };
    assert_eq!((call.answer, call.denied), (None, true));
    assert!(!call.created && !call.ended && !call.uncounted, "{call:?}");
    assert_eq!((call.context, call.taken_from, call.device_references), (0, 0, 0));
}

#[test]
fn a_writer_that_is_slow_is_waited_for() {
    let mut writer = Writer::new();
    writer.read();
    let place = writer.reserve(24);
    let call = writer.call(layout::WRITTEN);
    writer.end(call);
    assert!(writer.read().is_empty());
    writer.store_word(place, 24, layout::KIND_EXIT, layout::RESERVED);
    assert!(writer.read().is_empty());
    writer.store_word(place, 24, layout::KIND_EXIT, layout::WRITTEN);
    assert_eq!(writer.read().len(), 2);
}

#[test]
fn a_writer_that_died_costs_its_own_record_alone() {
    let mut writer = Writer::new();
    writer.read();
    // One before it said its length, one after.
    let place = writer.reserve(64);
    writer.arena.file.write(place + 8, &[0xC7; 40]); // as a record's own text could look
    let place = writer.reserve(24);
    writer.store_word(place, 24, layout::KIND_EXIT, layout::RESERVED);
    let call = writer.call(layout::WRITTEN);
    writer.end(call);
    assert!(writer.read().is_empty());
    let since = writer.arena.waiting.unwrap();
    writer.arena.waiting = since.checked_sub(2 * super::PATIENCE);
    let mut read = writer.read();
    read.extend(writer.arena.read(true));
    assert_eq!(calls(&read), 1, "{read:?}");
}

#[test]
fn lengths_that_cannot_be_are_never_trusted() {
    let mut writer = Writer::new();
    writer.read();
    for kind in layout::KIND_PROCESS..=layout::KIND_BYPASS {
        let fields: Vec<(usize, &[u8])> =
            (24..64).step_by(4).map(|at| (at, &[0xff; 4][..])).collect();
        writer.record(kind, layout::WRITTEN, 88, &fields);
    }
    // None of them fails, and what follows is read.
    writer.process();
    let read = writer.arena.read(true);
    assert!(matches!(read.last().unwrap().event, Event::Process(_)), "{read:?}");
}

#[test]
fn there_is_always_room_ahead() {
    let mut writer = Writer::new();
    for _ in 0..3 {
        writer.reserve(AHEAD / 2);
        writer.arena.make_room();
        let word = |at: usize| writer.arena.file.word(at as u64);
        let room = word(layout::arena::AVAILABLE) - word(layout::arena::POSITION);
        assert!(room >= AHEAD / 2, "{room}");
    }
    assert_eq!(writer.arena.lost(), 0);
}
