//! What the witness wrote, as the command reads it.

use std::collections::HashMap;
use std::ops::Deref;

use cuda_contexts::arena::Stack;
use cuda_contexts::record::{self, Event, Holding, Record};

pub use cuda_contexts::arena::Settings;

pub const ALL: Settings<'static> = with_stacks(Stack::All);
pub const NO_STACKS: Settings<'static> = with_stacks(Stack::None);

const fn with_stacks(stack: Stack) -> Settings<'static> {
    Settings { stack, deny: false, forbid: false, only: "", capacity: None }
}

/// A process, a device or a call, with the numbers of its process and its thread.
#[derive(Debug, Clone)]
pub struct Of<Item> {
    pub process: u32,
    pub pid: u32,
    pub tid: u32,
    item: Item,
}

impl<Item> Deref for Of<Item> {
    type Target = Item;

    fn deref(&self) -> &Item {
        &self.item
    }
}

/// A call with the names of its modules.
#[derive(Debug, Clone)]
pub struct Call {
    call: record::Call,
    /// The module whose reference it took.
    taken_from: Option<String>,
    /// Path of the module and address in its file, innermost first.
    pub frames: Vec<(String, u64)>,
}

impl Deref for Call {
    type Target = record::Call;

    fn deref(&self) -> &record::Call {
        &self.call
    }
}

impl Call {
    /// The last component of the path of the library that called.
    pub fn library(&self) -> &str {
        name(&self.frames[0].0)
    }

    pub fn has_stack(&self) -> bool {
        self.frames.len() > 1
    }

    /// Whose reference it took: the last component of the path.
    pub fn taken_from(&self) -> Option<&str> {
        self.taken_from.as_deref().map(name)
    }

    /// How many the library that was charged holds afterwards.
    pub fn left(&self) -> Option<u32> {
        self.reference.map(|change| change.count)
    }

    /// How many ordinary or green contexts their maker has afterwards.
    pub fn contexts(&self) -> Option<(Holding, u32)> {
        self.other.map(|change| (change.holding, change.count))
    }

    pub fn lines(&self) -> Vec<(String, i64, String)> {
        let line = |line: &record::PythonLine| {
            (line.file.clone(), line.line.map_or(-1, i64::from), line.function.clone())
        };
        self.python.iter().map(line).collect()
    }
}

pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

#[derive(Debug, Default)]
pub struct Arena {
    pub lost: u64,
    pub processes: Vec<Of<record::Process>>,
    pub devices: Vec<Of<record::Device>>,
    pub calls: Vec<Of<Call>>,
    pub exits: usize,
}

impl Arena {
    pub fn of(&self, function: &str) -> Vec<&Of<Call>> {
        self.calls.iter().filter(|call| call.function.0 == function).collect()
    }

    pub fn retains(&self) -> Vec<&Of<Call>> {
        self.of("cuDevicePrimaryCtxRetain")
    }

    pub fn releases(&self) -> Vec<&Of<Call>> {
        self.of("cuDevicePrimaryCtxRelease_v2")
    }

    pub fn new(records: &[Record], lost: u64) -> Self {
        let mut arena = Self { lost, ..Self::default() };
        let mut modules = HashMap::from([(0, String::new())]);
        for record in records {
            match &record.event {
                Event::Module(module) => {
                    modules.insert(module.id, module.path.to_str().unwrap().to_owned());
                }
                Event::Process(process) => arena.processes.push(of(record, process.clone())),
                Event::Device(device) => arena.devices.push(of(record, device.clone())),
                Event::Call(call) => arena.calls.push(of(record, with_names(call, &modules))),
                Event::Exit(_) => arena.exits += 1,
                Event::Bypass(path) => panic!("{path:?} is not behind the witness"),
                Event::ThreadStart(_) => {}
            }
        }
        arena
    }
}

fn of<Item>(record: &Record, item: Item) -> Of<Item> {
    Of { process: record.process, pid: record.pid, tid: record.tid, item }
}

fn with_names(call: &record::Call, modules: &HashMap<u32, String>) -> Call {
    let module =
        |id: u32| modules.get(&id).cloned().unwrap_or_else(|| panic!("no record of module {id}"));
    Call {
        taken_from: call.taken_from().map(module),
        frames: call.native.iter().map(|frame| (module(frame.module), frame.address)).collect(),
        call: call.clone(),
    }
}
