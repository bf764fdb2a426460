//! The dynamic symbols of 64-bit ELF libraries: which there are, and hiding some.
//!
//! A hidden symbol's entry loses its section and value, which is how an undefined symbol looks: the
//! loader's lookup passes over it. Names and hash tables stay as they are.

use object::Endianness;
use object::elf::{FileHeader64, Sym64};
use object::read::elf::{FileHeader, SectionHeader, Sym};

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

/// Makes the loader blind to these names. Nothing in the library may refer to them by name.
///
/// # Errors
///
/// What is wrong with the file, or which name it lacks.
pub(super) fn hide(library: &mut [u8], names: &[&str]) -> Result<(), String> {
    let places = {
        let found = symbols(library)?;
        let place = |name: &&str| {
            found
                .iter()
                .find(|symbol| symbol.name == name.as_bytes())
                .map(|symbol| symbol.place)
                .ok_or_else(|| format!("the library has no symbol {name}"))
        };
        names.iter().map(place).collect::<Result<Vec<usize>, String>>()?
    };
    for place in places {
        library[place + 6..place + size_of::<Sym64<Endianness>>()].fill(0); // section, value, size
    }
    Ok(())
}

struct Symbol<'library> {
    name: &'library [u8],
    defined: bool,
    /// Where its entry is in the file.
    place: usize,
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
    let section = sections.section(table.section()).map_err(complaint)?;
    let first = usize::try_from(section.sh_offset(endian)).map_err(|error| error.to_string())?;
    table
        .iter()
        .enumerate()
        .map(|(index, symbol)| {
            Ok(Symbol {
                name: symbol.name(endian, table.strings()).map_err(complaint)?,
                defined: symbol.st_shndx(endian) != object::elf::SHN_UNDEF,
                place: first + index * size_of::<Sym64<Endianness>>(),
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
    fn only_the_entry_of_the_hidden_symbol_changes() {
        let mut library = LIBRARY.to_vec();
        hide(&mut library, &["cuDevicePrimaryCtxRelease_v2"]).unwrap();
        let changed: Vec<usize> =
            (0..library.len()).filter(|&offset| library[offset] != LIBRARY[offset]).collect();
        assert!(!changed.is_empty());
        assert!(changed[changed.len() - 1] - changed[0] < 18);
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
