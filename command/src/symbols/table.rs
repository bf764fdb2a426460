//! The functions that a file's symbol tables name.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;
use object::{Object, ObjectSymbol, SymbolKind};

#[derive(Debug)]
pub struct Table {
    functions: Vec<Function>,
}

#[derive(Debug)]
struct Function {
    start: u64,
    end: u64,
    name: String,
}

impl Table {
    pub fn read(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        // SAFETY: the bytes must stay as they are while they are looked at, and nothing here can see
        // to that. Libraries are mostly replaced by new files, seldom written in place; one that is
        // gives wrong names, and one that is truncated at that moment ends this command by SIGBUS.
        // The map goes at the end of this function; `addr2line` maps the same file for longer.
        let map = unsafe { Mmap::map(&file) }.ok()?;
        let object = object::File::parse(&*map).ok()?;
        let mut functions: Vec<_> = object
            .symbols()
            .chain(object.dynamic_symbols())
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
            .filter_map(|symbol| {
                let start = symbol.address();
                let name = symbol.name().ok()?.to_owned();
                Some(Function { start, end: start.checked_add(symbol.size())?, name })
            })
            .collect();
        functions.sort_by_key(|function| function.start);
        Some(Self { functions })
    }

    /// The function that has this address. The nearest one before it would often be another:
    /// most functions of a stripped library have no symbol.
    pub fn name(&self, address: u64) -> Option<&str> {
        let behind = self.functions.partition_point(|function| function.start <= address);
        let function = self.functions[..behind].last()?;
        (address < function.end).then_some(&*function.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Function, Table};

    #[test]
    fn an_address_between_two_functions_has_no_name() {
        let function = |start, end, name: &str| Function { start, end, name: name.to_owned() };
        let table = Table { functions: vec![function(16, 32, "one"), function(48, 64, "two")] };
        let names = [0, 15, 16, 31, 32, 47, 48, 63, 64, u64::MAX].map(|at| table.name(at));
        let (one, two) = (Some("one"), Some("two"));
        assert_eq!(names, [None, None, one, one, None, None, two, two, None, None]);
    }
}
