//! Walks native stacks that the witness copied, by the unwinding tables of the modules' files.
//!
//! A stack ends where there is no table, where a table is damaged and where a word that it needs was
//! not copied.

mod registers;
mod tables;

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Once};

use crate::arena::layout;
use crate::record::Address;
use registers::Registers;
use tables::Tables;

/// The longest stack that is followed.
const MOST_FRAMES: usize = 512;

/// How many files are kept open. The rest are opened by their paths when they are needed.
const MOST_FILES: usize = 64;

#[derive(Debug, Clone, Default)]
pub struct Stack {
    pub registers: [u64; layout::REGISTERS as usize],
    /// The address of the first word.
    pub first: u64,
    /// Those that were copied.
    pub words: Vec<Option<u64>>,
    /// The modules into which words point.
    pub modules: Vec<u32>,
}

impl Stack {
    fn word(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.first)?;
        let index = usize::try_from(offset / 8).ok().filter(|_| offset % 8 == 0)?;
        self.words.get(index).copied().flatten()
    }
}

#[derive(Debug)]
struct Mapped {
    raw: layout::Module,
    /// The kernel's own, into which handlers of signals return.
    is_vdso: bool,
    tables: Option<Arc<Tables>>,
}

type Opened = (Option<Arc<File>>, Option<Arc<Tables>>);

#[derive(Debug, Default)]
pub struct Unwinder {
    modules: HashMap<u32, Mapped>,
    /// By device and inode, whichever processes have loaded a file.
    files: HashMap<(u64, u64), Opened>,
}

impl Unwinder {
    /// Adds a module of a process, and opens its file while it is there.
    pub fn add(
        &mut self,
        raw: &layout::Module,
        path: &Path,
        host_pid: Option<u32>,
    ) -> Option<Arc<File>> {
        let (identity, files) = ((raw.device, raw.inode), self.files.len());
        let (file, tables) = self.files.entry(identity).or_insert_with(|| {
            let file = open(raw, path, host_pid);
            let tables = file.as_ref().and_then(Tables::read).map(Arc::new);
            (file.map(Arc::new).filter(|_| files < MOST_FILES), tables)
        });
        let is_vdso = raw.inode == 0 && path.to_string_lossy().contains("vdso");
        self.modules.insert(raw.id, Mapped { raw: *raw, is_vdso, tables: tables.clone() });
        file.clone()
    }

    /// The frames of a stack, innermost first, the first one being where it was copied.
    pub fn unwind(&self, stack: &Stack) -> Vec<Address> {
        let mut frames = Vec::new();
        let mut registers = Registers::of(&stack.registers);
        // The place of an instruction that is not behind a call: the first one, and an interrupted one.
        let mut exact = true;
        while frames.len() < MOST_FRAMES {
            let Some((id, module)) =
                self.module_at(stack, registers.pc().wrapping_sub(u64::from(!exact)))
            else {
                frames.push(Address { module: 0, address: registers.pc() });
                break;
            };
            frames.push(Address {
                module: id,
                address: registers.pc().wrapping_sub(module.raw.bias),
            });
            let step = without_panics(|| caller(stack, &registers, module, exact));
            let Some((caller, interrupted)) = step.flatten() else { break };
            if caller.pc() == 0 || caller == registers {
                break;
            }
            (registers, exact) = (caller, interrupted);
        }
        frames
    }

    fn module_at(&self, stack: &Stack, address: u64) -> Option<(u32, &Mapped)> {
        let modules = stack.modules.iter().filter_map(|id| Some((*id, self.modules.get(id)?)));
        modules
            .into_iter()
            .find(|(_, module)| (module.raw.start..module.raw.end).contains(&address))
    }
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What a function returns, or `None` if it panics, as readers of damaged files may. It says nothing
/// then.
pub fn without_panics<Value>(read: impl FnOnce() -> Value) -> Option<Value> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                before(panic);
            }
        }));
    });
    IS_QUIET.set(true);
    let value = catch_unwind(AssertUnwindSafe(read));
    IS_QUIET.set(false);
    value.ok()
}

/// The registers of the caller, and whether a signal interrupted it.
fn caller(
    stack: &Stack,
    registers: &Registers,
    module: &Mapped,
    exact: bool,
) -> Option<(Registers, bool)> {
    if module.is_vdso {
        return Some((registers.before_signal(|address| stack.word(address))?, true));
    }
    let address = registers.pc().wrapping_sub(module.raw.bias).wrapping_sub(u64::from(!exact));
    module.tables.as_ref()?.caller(address, registers, exact, &|address| stack.word(address))
}

/// The file that the process has loaded: another one may have its path by now.
fn open(raw: &layout::Module, path: &Path, host_pid: Option<u32>) -> Option<File> {
    if raw.inode == 0 {
        return None;
    }
    let inside = host_pid.map(|pid| format!("/proc/{pid}/root{}", path.display()).into());
    let is_it = |file: &File| {
        file.metadata().is_ok_and(|about| {
            about.is_file() && (about.dev(), about.ino()) == (raw.device, raw.inode)
        })
    };
    let places = inside.into_iter().chain([path.to_owned()]);
    places.filter_map(|place| File::open(place).ok()).find(is_it)
}

#[cfg(test)]
pub use tests::Random;
#[cfg(test)]
mod tests;
