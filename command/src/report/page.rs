//! What names are looked up in while the report is written, and how callers are named.

use cuda_primary_context::sys::CUresult;

use crate::model::{Holder, Modules, Note, Process};
use crate::record::Call;
use crate::symbols::Symbols;

use super::line::{Line, seconds};
use super::stack_lines::stack_lines;

/// What names are looked up in.
pub struct Page<'report> {
    pub modules: &'report Modules,
    pub symbols: &'report mut Symbols,
    /// The current folder with a slash: paths in it are shown without it.
    pub folder: &'report str,
}

/// The name of a result code, with its number.
pub fn code(result: u32) -> String {
    match CUresult(result).name() {
        Some(name) => format!("{name} ({result})"),
        None => format!("{result}"),
    }
}

/// Libraries that only hand on calls of a script, and what people call them.
const GO_BETWEENS: [(&str, &str); 3] =
    [("libffi", "ctypes"), ("_ctypes", "ctypes"), ("_cffi_backend", "cffi")];

impl Page<'_> {
    /// Who made a call: the library, or the line of Python that called through ctypes or cffi.
    pub fn caller(&self, call: &Call) -> String {
        self.script_line(call).unwrap_or_else(|| self.modules.name(call.caller()))
    }

    /// Who holds something: the library, or the line of Python that took it.
    pub fn holder(&self, holder: &Holder) -> String {
        self.script_line(&holder.first.call).unwrap_or_else(|| holder.library.clone())
    }

    fn script_line(&self, call: &Call) -> Option<String> {
        let line = call.python.first()?;
        let name_of = |module| self.modules.name(module);
        let is = |name: &str, module| name_of(module).starts_with(name);
        let (_, first) = GO_BETWEENS.iter().find(|(name, _)| is(name, call.caller()))?;
        let cffi = call.native.iter().any(|address| is("_cffi_backend", address.module));
        let through = if cffi { "cffi" } else { first };
        let file = line.file.strip_prefix(self.folder).unwrap_or(&line.file);
        let place = line.line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
        Some(format!("{place} ({through})"))
    }

    /// The lines of the call's stack.
    pub fn stack(&mut self, call: &Call) -> Vec<Line> {
        stack_lines(call, self.modules, self.symbols, self.folder)
    }
}

/// The process as it is known in a title: its command line.
pub fn command(process: &Process) -> String {
    process.command()
}

/// The process as it is listed: its id, and its rank.
pub fn who(process: &Process) -> String {
    match process.rank() {
        Some((variable, value)) => format!("{} ({variable}={value})", process.pid),
        None => process.pid.to_string(),
    }
}

/// Adds the thread of a call: ` in thread 4712 "prefetch"`.
pub fn in_thread(line: Line, process: &Process, note: &Note) -> Line {
    if note.tid == process.pid {
        return line.text(" in the main thread");
    }
    let line = line.text(" in thread ").varying(note.tid.to_string());
    match process.thread(note.tid).and_then(|thread| thread.name.as_ref()) {
        Some(name) => line.text(format!(" \"{name}\"")),
        None => line,
    }
}

/// Adds when a call returned.
pub fn at(line: Line, note: &Note) -> Line {
    line.varying(format!(" at {}", seconds(note.time)))
}
