//! The library that stands before the driver, and laying it out for a program.

mod elf;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use memmap2::Mmap;

/// The witness as the build compiled it.
pub(crate) static LIBRARY: &[u8] = include_bytes!(env!("CUDA_CONTEXTS_WITNESS"));

/// Every function that it wraps.
pub const WRAPPED: &[&str] = &crate::arena::layout::FUNCTIONS;

/// What a witness exports and a driver does not.
const OWN_SYMBOL: &str = "cuda_contexts_version";

/// Writes the witness for a driver into a directory: `libcuda.so.1`, which has what the driver has and
/// nothing else, and the link `libcuda-real.so` to the driver. A program that has the directory first
/// in `LD_LIBRARY_PATH` meets the witness where it opens `libcuda.so.1`.
///
/// # Errors
///
/// When the driver cannot be read or is no driver, or the directory cannot be written.
pub fn lay_out(directory: &Path, driver: &Path) -> io::Result<()> {
    let driver = fs::canonicalize(driver)?;
    fs::write(directory.join("libcuda.so.1"), read(&driver)?)?;
    symlink(driver, directory.join("libcuda-real.so"))
}

/// Whether there can be a witness for a driver.
///
/// # Errors
///
/// When the driver cannot be read or is no driver.
pub fn check(driver: &Path) -> io::Result<()> {
    read(driver).map(drop)
}

/// The witness for the driver in a file.
fn read(driver: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(driver)?;
    // SAFETY: the file is only read, and drivers are replaced by renaming, not changed in place: the
    // loader maps them, too, and would suffer first.
    let content = unsafe { Mmap::map(&file)? };
    witness_for(&content).map_err(|complaint| io::Error::new(io::ErrorKind::InvalidData, complaint))
}

/// The witness without the functions that the driver lacks.
fn witness_for(driver: &[u8]) -> Result<Vec<u8>, String> {
    if !elf::defined(driver, &[OWN_SYMBOL])?.is_empty() {
        return Err("it is a witness of cuda-contexts itself, and not a driver".to_owned());
    }
    let there = elf::defined(driver, WRAPPED)?;
    if there.is_empty() {
        return Err("it exports none of the CUDA driver's functions".to_owned());
    }
    let lacking: Vec<&str> = WRAPPED.iter().copied().filter(|name| !there.contains(name)).collect();
    let mut library = LIBRARY.to_vec();
    elf::hide(&mut library, &lacking)?;
    Ok(library)
}

#[cfg(test)]
mod tests {
    use super::{LIBRARY, WRAPPED, elf, witness_for};

    #[test]
    fn a_driver_without_a_function_has_a_witness_without_it() {
        let mut driver = LIBRARY.to_vec();
        elf::hide(&mut driver, &["cuda_contexts_version", "cuGreenCtxCreate"]).unwrap();
        let witness = witness_for(&driver).unwrap();
        let there = elf::defined(&witness, WRAPPED).unwrap();
        assert_eq!(there.len(), WRAPPED.len() - 1);
        assert!(!there.contains(&"cuGreenCtxCreate"));
    }

    /// Bytes of a driver changed at random: it is taken or refused. The seed is fixed.
    #[test]
    fn a_damaged_driver_ends_nothing() {
        let mut random = crate::unwind::Random(20_261_130);
        let (mut taken, mut refused) = (0, 0);
        let mut clean = LIBRARY.to_vec();
        elf::hide(&mut clean, &["cuda_contexts_version"]).unwrap();
        for round in 0..600 {
            let mut driver = clean.clone();
            random.change(&mut driver, round % 40);
            if round % 7 == 0 {
                driver.truncate(random.below(driver.len()));
            }
            match witness_for(&driver) {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(taken > 20 && refused > 20, "{taken} taken, {refused} refused");
    }

    #[test]
    fn a_witness_before_a_witness_is_refused() {
        assert!(witness_for(LIBRARY).unwrap_err().contains("witness"));
        assert!(witness_for(b"text").is_err());
    }
}
