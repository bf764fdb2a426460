//! A block of the report while it is written: its lines, and how callers are named in them.

use cuda_primary_context::sys::CUresult;

use crate::model::{Holder, Modules, Note, Process};
use crate::record::Call;
use crate::symbols::Symbols;

use super::line::{Line, seconds};

/// So many columns the lines of a block are indented, and lines below another one still further.
const INDENT: usize = 2;

pub struct Page<'report> {
    pub(super) modules: &'report Modules,
    pub(super) symbols: &'report mut Symbols,
    /// The current folder with a slash: paths in it are shown without it.
    pub(super) folder: &'report str,
    lines: Vec<Line>,
    indent: usize,
}

/// The name of a result code, with its number.
pub fn code(result: u32) -> String {
    match CUresult(result).name() {
        Some(name) => format!("{name} ({result})"),
        None => format!("{result}"),
    }
}

/// Libraries that only pass on the calls of a script.
const GO_BETWEENS: [&str; 3] = ["libffi", "_ctypes", "_cffi_backend"];

impl<'report> Page<'report> {
    pub fn new(
        modules: &'report Modules,
        symbols: &'report mut Symbols,
        folder: &'report str,
    ) -> Self {
        Self { modules, symbols, folder, lines: Vec::new(), indent: INDENT }
    }

    pub(super) fn add(&mut self, line: Line) {
        self.lines.push(line.indented(self.indent));
    }

    /// Adds lines below the last one.
    pub(super) fn below(&mut self, add: impl FnOnce(&mut Self)) {
        self.indent += INDENT;
        add(self);
        self.indent -= INDENT;
    }

    /// The lines that were added since the last call.
    pub(super) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

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
        let is = |name: &str, module| self.modules.name(module).starts_with(name);
        GO_BETWEENS.iter().find(|name| is(name, call.caller()))?;
        let cffi = call.native.iter().any(|address| is("_cffi_backend", address.module));
        let through = if cffi { "cffi" } else { "ctypes" };
        let file = line.file.strip_prefix(self.folder).unwrap_or(&line.file);
        let place = line.line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
        Some(format!("{place} ({through})"))
    }
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

pub fn at(line: Line, note: &Note) -> Line {
    line.varying(format!(" at {}", seconds(note.time)))
}
