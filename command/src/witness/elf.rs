//! The dynamic symbols of 64-bit ELF libraries: which there are, and hiding some.

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, Sym};
pub(super) use simulated_libcuda::hide_symbols as hide;

/// Which of the names a library defines.
///
/// # Errors
///
/// What is wrong with the file.
pub(super) fn defined<'name>(
    library: &[u8],
    names: &[&'name str],
) -> Result<Vec<&'name str>, String> {
    let found = symbols(library)?;
    Ok(names
        .iter()
        .copied()
        .filter(|name| found.iter().any(|symbol| symbol.name == name.as_bytes() && symbol.defined))
        .collect())
}

struct Symbol<'library> {
    name: &'library [u8],
    defined: bool,
}

fn symbols(library: &[u8]) -> Result<Vec<Symbol<'_>>, String> {
    let complaint = |error: object::Error| format!("not a 64-bit ELF library: {error}");
    let header = FileHeader64::<Endianness>::parse(library).map_err(complaint)?;
    let endian = header.endian().map_err(complaint)?;
    let sections = header.sections(endian, library).map_err(complaint)?;
    let table = sections.symbols(endian, library, object::elf::SHT_DYNSYM).map_err(complaint)?;
    if table.is_empty() {
        return Err("not a library with dynamic symbols".to_owned());
    }
    table
        .iter()
        .map(|symbol| {
            Ok(Symbol {
                name: symbol.name(endian, table.strings()).map_err(complaint)?,
                defined: symbol.st_shndx(endian) != object::elf::SHN_UNDEF,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{defined, hide};
    use crate::witness::{LIBRARY, WRAPPED};

    #[test]
    fn the_witness_defines_all_that_it_wraps_until_some_is_hidden() {
        assert_eq!(defined(LIBRARY, WRAPPED).unwrap(), WRAPPED);
        let mut library = LIBRARY.to_vec();
        hide(&mut library, &["cuInit", "cuCtxCreate_v4"]).unwrap();
        let left = defined(&library, WRAPPED).unwrap();
        assert_eq!(left.len(), WRAPPED.len() - 2);
        assert!(!left.contains(&"cuInit") && !left.contains(&"cuCtxCreate_v4"));
    }

    #[test]
    fn what_is_no_library_is_refused() {
        assert!(defined(&[], WRAPPED).is_err());
        assert!(hide(&mut [0x7f; 300], &["cuInit"]).is_err());
        assert!(hide(&mut LIBRARY[..LIBRARY.len() / 2].to_vec(), &["cuInit"]).is_err());
        let complaint = hide(&mut LIBRARY.to_vec(), &["cuNothing"]).unwrap_err();
        assert!(complaint.contains("cuNothing"), "{complaint}");
    }
}
