//! Where a call came from: native code and lines of Python, with their names.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::model::Modules;
use crate::record::{Call, PythonLine};
use crate::symbols::{Place, Symbols};

/// A place in native code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeLine {
    /// The name of the library, or what is known of code without one.
    pub library: String,
    pub path: Option<PathBuf>,
    pub address: u64,
    pub place: Place,
}

/// One line of a stack, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Python(PythonLine),
    Native(NativeLine),
}

pub fn native(call: &Call, modules: &Modules, symbols: &mut Symbols) -> Vec<NativeLine> {
    let mut lines = Vec::new();
    for frame in &call.native {
        let path = modules.path(frame.module).map(Path::to_owned);
        let library = modules.name(frame.module);
        // The address is that of the instruction behind the call, which may be another line's.
        let address = frame.address;
        let places = match modules.readable(frame.module) {
            Some(file) => symbols.places(&file, address.saturating_sub(1)),
            None => vec![Place::default()],
        };
        lines.extend(places.into_iter().map(|place| NativeLine {
            library: library.clone(),
            path: path.clone(),
            address,
            place,
        }));
    }
    lines
}

/// What people are shown, innermost first: the lines of Python alone where there are some, and
/// nothing of what runs before a program's `main`.
pub fn lines(call: &Call, modules: &Modules, symbols: &mut Symbols) -> Vec<Line> {
    if call.python.is_empty() {
        let native = native(call, modules, symbols);
        let main = native.iter().position(NativeLine::is_main);
        let shown = main.map_or(native.len(), |index| index + 1);
        return native.into_iter().take(shown).map(Line::Native).collect();
    }
    let written = call.python.iter().filter(|line| !is_machinery(line));
    let lines: Vec<Line> = written.cloned().map(Line::Python).collect();
    if lines.is_empty() {
        return call.python.iter().cloned().map(Line::Python).collect();
    }
    lines
}

/// What Python itself runs between an import and the module, and before a thread's function.
fn is_machinery(line: &PythonLine) -> bool {
    let PythonLine { file, function, .. } = line;
    let starts_threads = ["run", "_bootstrap", "_bootstrap_inner"].contains(&&**function);
    file.starts_with("<frozen importlib") || (starts_threads && file.ends_with("/threading.py"))
}

/// The native code between the driver and Python, innermost first: each library once, with the
/// function by which it was entered.
pub fn route(call: &Call, modules: &Modules, symbols: &mut Symbols) -> Vec<String> {
    let native = native(call, modules, symbols);
    let outside = native.iter().position(NativeLine::is_interpreter).unwrap_or(native.len());
    let libraries = native[..outside].chunk_by(|line, next| line.library == next.library);
    let text = |lines: &[NativeLine]| match &lines[lines.len() - 1] {
        NativeLine { library, place: Place { function: Some(function), .. }, .. } => {
            format!("{library} ({function})")
        }
        NativeLine { library, .. } => library.clone(),
    };
    libraries.map(text).collect()
}

impl NativeLine {
    /// Of C, C++ and Rust.
    fn is_main(&self) -> bool {
        let function = self.place.function.as_deref();
        function.is_some_and(|name| name == "main" || name.ends_with("::main"))
    }

    fn is_interpreter(&self) -> bool {
        let is_version = |version: &str| {
            // Without the lock (`t`), for debugging (`d`, `-dbg`).
            let version = version.strip_suffix("-dbg").unwrap_or(version);
            let version = version.trim_end_matches(['t', 'd']);
            version.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
        };
        self.library.starts_with("libpython")
            || self.library.strip_prefix("python").is_some_and(is_version)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python(PythonLine { file, function, line: Some(line) }) => {
                write!(formatter, "{file}:{line} in {function}")
            }
            Self::Python(PythonLine { file, function, line: None }) => {
                write!(formatter, "{file} in {function}")
            }
            Self::Native(line) => line.fmt(formatter),
        }
    }
}

impl fmt::Display for NativeLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { function, file, line } = &self.place;
        match (file, line) {
            (Some(file), Some(line)) => write!(formatter, "{file}:{line}")?,
            (Some(file), None) => formatter.write_str(file)?,
            _ if function.is_none() => {
                return write!(formatter, "{} at {:#x}", self.library, self.address);
            }
            _ => formatter.write_str(&self.library)?,
        }
        match function {
            Some(function) => write!(formatter, " in {function}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, NativeLine, Place, PythonLine};

    fn native(library: &str, function: Option<&str>, line: Option<u32>) -> NativeLine {
        let place = Place {
            function: function.map(str::to_owned),
            file: line.map(|_| "worker.c".to_owned()),
            line,
        };
        NativeLine { library: library.to_owned(), path: None, address: 0x40, place }
    }

    #[test]
    fn lines_say_as_much_as_is_known() {
        let python = |line| {
            let (file, function) = ("stray.py".to_owned(), "helper".to_owned());
            Line::Python(PythonLine { file, function, line })
        };
        let library = "libx.so.1";
        for (line, text) in [
            (python(Some(3)), "stray.py:3 in helper"),
            (python(None), "stray.py in helper"),
            (Line::Native(native(library, Some("f"), Some(7))), "worker.c:7 in f"),
            (Line::Native(native(library, None, Some(7))), "worker.c:7"),
            (Line::Native(native(library, Some("f"), None)), "libx.so.1 in f"),
            (Line::Native(native(library, None, None)), "libx.so.1 at 0x40"),
        ] {
            assert_eq!(line.to_string(), text);
        }
    }

    #[test]
    fn code_is_known_by_its_names() {
        for (file, function, is) in [
            ("<frozen importlib._bootstrap_external>", "exec_module", true),
            ("/usr/lib/python3.13/threading.py", "_bootstrap_inner", true),
            ("/usr/lib/python3.13/threading.py", "wait", false),
            ("/home/me/threading.py/main.py", "run", false),
            ("stray.py", "run", false),
        ] {
            let (file, function) = (file.to_owned(), function.to_owned());
            let line = PythonLine { file, function, line: None };
            assert_eq!(super::is_machinery(&line), is, "{line:?}");
        }
        for (function, is) in
            [("main", true), ("client::main", true), ("domain", false), ("main::inner", false)]
        {
            assert_eq!(native("", Some(function), None).is_main(), is, "{function}");
        }
        let interpreters =
            "python3.11 python python3.13t python3.13-dbg python3.13td libpython3.13.so.1.0";
        let others = "python3-config python_module.so libcudart.so.13";
        for (names, is) in [(interpreters, true), (others, false)] {
            for name in names.split(' ') {
                assert_eq!(native(name, None, None).is_interpreter(), is, "{name}");
            }
        }
    }
}
