//! Hides symbols of a 64-bit ELF shared library from `dlsym`.
//!
//! A hidden symbol's entry in `.dynsym` loses its section and value, which is how an undefined
//! symbol looks: the loader's lookup passes over it. Names and hash tables stay as they are. The
//! library must not refer to the symbol through a dynamic relocation, which `-Bsymbolic` sees to.

use std::collections::HashMap;

use object::LittleEndian;
use object::elf::Sym64;
use object::read::elf::{ElfFile64, SectionHeader};

/// Hides exported functions of a 64-bit ELF shared library, as its bytes, from `dlsym` and the dynamic
/// loader. Nothing in the library may refer to them by name.
///
/// # Errors
///
/// A sentence, if this is no such library, or it lacks one of the names. Then nothing is changed.
pub fn hide_symbols(library: &mut [u8], names: &[&str]) -> Result<(), String> {
    let entries = entries(library).map_err(|error| error.to_string())?;
    let entry_of = |name: &&str| {
        entries.get(name.as_bytes()).copied().ok_or(format!("the library has no symbol {name}"))
    };
    let hidden: Vec<usize> = names.iter().map(entry_of).collect::<Result<_, String>>()?;
    for entry in hidden {
        library[entry + 6..entry + size_of::<Sym64<LittleEndian>>()].fill(0); // st_shndx, st_value, st_size
    }
    Ok(())
}

/// Where in the file the entry of each dynamic symbol is, by its name.
fn entries(library: &[u8]) -> object::Result<HashMap<Vec<u8>, usize>> {
    let file = ElfFile64::<LittleEndian>::parse(library)?;
    let symbols = file.elf_dynamic_symbol_table();
    let section = file.elf_section_table().section(symbols.section())?;
    let start = section.sh_offset(LittleEndian) as usize;
    let entry = |(index, symbol): (object::SymbolIndex, &Sym64<LittleEndian>)| {
        let name = symbols.symbol_name(LittleEndian, symbol)?.to_vec();
        Ok((name, start + index.0 * size_of_val(symbol)))
    };
    symbols.enumerate().map(entry).collect()
}
