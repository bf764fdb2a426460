//! Names and lines of native code, looked up in the files of the program after the fact.

mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use addr2line::Loader;

use crate::names::demangle;
use crate::unwind::without_panics;
use table::Table;

/// A place in native code, as far as the file tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The function, demangled. Without symbols there is none.
    pub function: Option<String>,
    /// The source file. Without debug information there is none.
    pub file: Option<String>,
    pub line: Option<u32>,
}

/// What was read of each file so far.
#[derive(Default)]
pub struct Symbols {
    files: HashMap<PathBuf, Option<SymbolFile>>,
}

struct SymbolFile {
    debug: Option<Loader>,
    table: Table,
    /// What was asked before: calls come from few places.
    known: HashMap<u64, Vec<Place>>,
}

impl Symbols {
    /// The functions at an address of a file, as the file counts addresses: the innermost first,
    /// for one may be inlined into another. Never empty.
    pub fn places(&mut self, path: &Path, address: u64) -> Vec<Place> {
        if !self.files.contains_key(path) {
            let file = without_panics(|| SymbolFile::read(path)).flatten();
            self.files.insert(path.to_owned(), file);
        }
        match self.files.get_mut(path) {
            Some(Some(file)) => file.places(address),
            _ => vec![Place::default()],
        }
    }
}

impl SymbolFile {
    fn read(path: &Path) -> Option<Self> {
        // Not what stands for a device or a deleted file.
        path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let (table, debug) = (Table::read(path)?, Loader::new(path).ok());
        Some(Self { table, debug, known: HashMap::new() })
    }

    fn places(&mut self, address: u64) -> Vec<Place> {
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        let mut places = without_panics(|| self.debug_places(address)).unwrap_or_default();
        if places.is_empty() {
            places.push(Place::default());
        }
        // Debug information may lack names that the symbols have.
        let outermost = places.last_mut().expect("at least one");
        if outermost.function.is_none() {
            outermost.function = self.table.name(address).map(demangle);
        }
        self.known.insert(address, places.clone());
        places
    }

    fn debug_places(&self, address: u64) -> Vec<Place> {
        let mut places = Vec::new();
        let Some(Ok(mut frames)) = self.debug.as_ref().map(|debug| debug.find_frames(address))
        else {
            return places;
        };
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.as_ref();
            places.push(Place {
                function: function.and_then(|name| Some(demangle(&name.raw_name().ok()?))),
                file: frame.location.as_ref().and_then(|place| place.file).map(str::to_owned),
                line: frame.location.as_ref().and_then(|place| place.line),
            });
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Place, Symbols};

    #[test]
    fn what_is_no_file_or_no_library_has_no_names() {
        let mut symbols = Symbols::default();
        for path in ["/dev/zero", "/nowhere/libcuda.so.1", "/etc/passwd", "/tmp"] {
            assert_eq!(symbols.places(Path::new(path), 4096), [Place::default()], "{path}");
        }
    }
}
