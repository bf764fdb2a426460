//! Hides symbols of a 64-bit ELF shared library from `dlsym`.
//!
//! A hidden symbol's entry in `.dynsym` loses its section and value, which is how an undefined
//! symbol looks: the loader's lookup passes over it. Names and hash tables stay as they are. The
//! library must not refer to the symbol through a dynamic relocation, which `-Bsymbolic` sees to.

use std::collections::HashSet;

const SECTION_HEADER_OFFSET: usize = 0x28;
const SECTION_HEADER_SIZE: usize = 0x3a;
const SECTION_HEADER_COUNT: usize = 0x3c;
const DYNAMIC_SYMBOLS: u32 = 11;
const SYMBOL_SIZE: usize = 24;

/// Where a table lies in the file.
#[derive(Clone, Copy)]
struct Section {
    offset: usize,
    size: usize,
    link: usize,
}

/// Hides exported functions of a 64-bit ELF shared library, as its bytes, from `dlsym` and the dynamic
/// loader. Nothing in the library may refer to them by name.
///
/// # Errors
///
/// A sentence, if this is no such library, or it lacks one of the names. Then nothing is changed.
pub fn hide_symbols(library: &mut [u8], names: &[&str]) -> Result<(), String> {
    let (symbols, strings) =
        symbol_tables(library).ok_or("not a 64-bit ELF library with dynamic symbols")?;
    let mut left: HashSet<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let hidden: Vec<usize> = (symbols.offset..symbols.offset + symbols.size)
        .step_by(SYMBOL_SIZE)
        .filter(|&entry| name(library, entry, strings).is_some_and(|name| left.remove(name)))
        .collect();
    if let Some(name) = left.iter().next() {
        return Err(format!("the library has no symbol {}", String::from_utf8_lossy(name)));
    }
    for entry in hidden {
        library[entry + 6..entry + SYMBOL_SIZE].fill(0); // st_shndx, st_value, st_size
    }
    Ok(())
}

/// The dynamic symbols and their names.
fn symbol_tables(library: &[u8]) -> Option<(Section, Section)> {
    if library.get(..6)? != [0x7f, b'E', b'L', b'F', 2, 1] {
        return None;
    }
    let count = number(library, SECTION_HEADER_COUNT, 2)?;
    let symbols =
        (0..count).find(|&index| section_kind(library, index) == Some(DYNAMIC_SYMBOLS))?;
    let symbols = section(library, symbols)?;
    Some((symbols, section(library, symbols.link)?))
}

fn name(library: &[u8], entry: usize, strings: Section) -> Option<&[u8]> {
    let name = library.get(strings.offset + number(library, entry, 4)?..)?;
    name.split(|&byte| byte == 0).next()
}

fn header(library: &[u8], index: usize) -> Option<usize> {
    Some(
        number(library, SECTION_HEADER_OFFSET, 8)?
            + index * number(library, SECTION_HEADER_SIZE, 2)?,
    )
}

fn section_kind(library: &[u8], index: usize) -> Option<u32> {
    u32::try_from(number(library, header(library, index)? + 4, 4)?).ok()
}

fn section(library: &[u8], index: usize) -> Option<Section> {
    let header = header(library, index)?;
    let section = Section {
        offset: number(library, header + 0x18, 8)?,
        size: number(library, header + 0x20, 8)?,
        link: number(library, header + 0x28, 4)?,
    };
    (section.offset.checked_add(section.size)? <= library.len()).then_some(section)
}

/// A number in little endian, which all targets of the simulator are.
fn number(library: &[u8], offset: usize, bytes: usize) -> Option<usize> {
    let mut wide = [0; 8];
    wide[..bytes].copy_from_slice(library.get(offset..offset + bytes)?);
    usize::try_from(u64::from_le_bytes(wide)).ok()
}
