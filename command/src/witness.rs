//! The library that stands before the driver, and laying it out for a program.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use memmap2::Mmap;
use object::read::elf::ElfFile64;
use object::{Object, ObjectSymbol};
use simulated_libcuda::hide_symbols;

pub(crate) static LIBRARY: &[u8] = include_bytes!(env!("CUDA_CONTEXTS_WITNESS"));

/// Every function that it wraps.
pub const WRAPPED: &[&str] = &crate::arena::layout::FUNCTIONS;

/// What a witness exports and a driver does not.
const OWN_SYMBOL: &str = "cuda_contexts_version";

/// Writes the witness for a driver into a directory: `libcuda.so.1`, which has what the driver has and
/// nothing else, and the link `libcuda-real.so` to the driver. A program that has the directory first
/// in `LD_LIBRARY_PATH` meets the witness where it opens `libcuda.so.1`. It fails if the driver is none.
pub fn lay_out(directory: &Path, driver: &Path) -> io::Result<()> {
    let driver = fs::canonicalize(driver)?;
    fs::write(directory.join("libcuda.so.1"), read(&driver)?)?;
    symlink(driver, directory.join("libcuda-real.so"))
}

/// Whether there can be a witness for a driver.
pub(crate) fn check(driver: &Path) -> io::Result<()> {
    read(driver).map(drop)
}

fn read(driver: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(driver)?;
    // SAFETY: the file is only read, and drivers are replaced by renaming, not changed in place: the
    // loader maps them, too, and would suffer first.
    let content = unsafe { Mmap::map(&file)? };
    witness_for(&content).map_err(|complaint| io::Error::new(io::ErrorKind::InvalidData, complaint))
}

/// The witness without the functions that the driver lacks.
pub(crate) fn witness_for(driver: &[u8]) -> Result<Vec<u8>, String> {
    let exported = exported(driver)?;
    if exported.contains(OWN_SYMBOL.as_bytes()) {
        return Err("it is a witness of cuda-contexts itself, and not a driver".to_owned());
    }
    let lacking: Vec<&str> =
        WRAPPED.iter().copied().filter(|name| !exported.contains(name.as_bytes())).collect();
    if lacking.len() == WRAPPED.len() {
        return Err("it exports none of the CUDA driver's functions".to_owned());
    }
    let mut library = LIBRARY.to_vec();
    hide_symbols(&mut library, &lacking)?;
    Ok(library)
}

fn exported(library: &[u8]) -> Result<HashSet<&[u8]>, String> {
    let file: ElfFile64<'_> =
        ElfFile64::parse(library).map_err(|error| format!("not a 64-bit ELF library: {error}"))?;
    let defined = file.dynamic_symbols().filter(|symbol| !symbol.is_undefined());
    Ok(defined.filter_map(|symbol| symbol.name_bytes().ok()).collect())
}
