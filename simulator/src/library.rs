//! The library itself, and writing copies of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::elf;

/// The simulated driver as the build compiled it.
pub(crate) static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libcuda.so.1"));

/// The file name that every client looks for.
const FILE_NAME: &str = "libcuda.so.1";

static TABLE: &[(&str, u32)] = include!(concat!(env!("OUT_DIR"), "/entry_points.rs"));

/// An exported CUDA function of the simulated driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryPoint {
    /// The exported symbol.
    pub symbol: &'static str,
    /// The CUDA version that introduced it, such as 11000.
    pub since: u32,
}

/// Every CUDA function that the simulated driver exports.
pub fn entry_points() -> impl ExactSizeIterator<Item = EntryPoint> {
    TABLE.iter().map(|&(symbol, since)| EntryPoint { symbol, since })
}

/// Where a function stands among the [`entry_points`].
///
/// # Panics
///
/// When there is none of this name, with the nearest one that there is.
pub(crate) fn index_of(function: &str) -> usize {
    TABLE.iter().position(|&(symbol, _)| symbol == function).unwrap_or_else(|| {
        let nearest = TABLE
            .iter()
            .map(|&(symbol, _)| symbol)
            .min_by_key(|symbol| edits_between(symbol, function))
            .expect("functions");
        panic!("the simulated driver has no function {function:?}; the nearest one is {nearest}")
    })
}

/// How many letters to insert, remove or replace to make one of the other.
fn edits_between(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (index, other_letter) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != other_letter);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// Writes `libcuda.so.1` into a directory, without the functions named and without those newer than
/// the driver version given. Returns the path of the library.
///
/// # Errors
///
/// When the file cannot be written, or a name is not one of [`entry_points`].
pub fn write_library(
    directory: &Path,
    driver_version: Option<u32>,
    without: &[&str],
) -> io::Result<PathBuf> {
    let newer = entry_points()
        .filter(|entry| driver_version.is_some_and(|version| entry.since > version))
        .map(|entry| entry.symbol);
    let hidden: Vec<&str> = without.iter().copied().chain(newer).collect();
    let path = directory.join(FILE_NAME);
    if hidden.is_empty() {
        fs::write(&path, LIBRARY)?;
        return Ok(path);
    }
    let mut library = LIBRARY.to_vec();
    elf::hide_symbols(&mut library, &hidden)
        .map_err(|complaint| io::Error::new(io::ErrorKind::InvalidInput, complaint))?;
    fs::write(&path, library)?;
    Ok(path)
}
