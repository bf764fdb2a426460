//! The library itself, and writing copies of it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::elf;

/// The simulated driver as the build compiled it.
pub(crate) static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libcuda.so.1"));

/// The file name that every client looks for.
const FILE_NAME: &str = "libcuda.so.1";

/// Stands before the driver version in the library, once.
const VERSION_MARKER: &[u8; 40] = b"the version of this simulated libcuda: \0";

/// Where the number behind it lies; looked for once.
static BAKED_VERSION: LazyLock<usize> = LazyLock::new(|| {
    LIBRARY
        .windows(VERSION_MARKER.len())
        .position(|window| window == VERSION_MARKER)
        .expect("the marker, as the library was compiled with it")
        + VERSION_MARKER.len()
});

static TABLE: &[(&str, u32, bool)] = include!(concat!(env!("OUT_DIR"), "/entry_points.rs"));

/// An exported CUDA function of the simulated driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryPoint {
    /// The exported symbol.
    pub symbol: &'static str,
    /// The CUDA version that introduced it, such as 11000.
    pub since: u32,
    /// Whether the simulated driver models it. If not, a call does nothing and returns
    /// `CUDA_ERROR_NOT_SUPPORTED` (801).
    pub is_modelled: bool,
}

/// Every CUDA function that the simulated driver exports: those that it models, and all others of
/// NVIDIA's driver.
pub fn entry_points() -> impl ExactSizeIterator<Item = EntryPoint> {
    TABLE.iter().map(|&(symbol, since, is_modelled)| EntryPoint { symbol, since, is_modelled })
}

/// Where a function stands among the [`entry_points`]; else what is wrong with its name.
pub(crate) fn find(function: &str) -> Result<usize, String> {
    let position = TABLE.iter().position(|&(symbol, ..)| symbol == function);
    position.ok_or_else(|| format!("the simulated driver has no function {function:?}"))
}

/// The same, or a panic.
#[track_caller]
pub(crate) fn index_of(function: &str) -> usize {
    match find(function) {
        Ok(index) => index,
        Err(complaint) => panic!("{complaint}"),
    }
}

/// Writes `libcuda.so.1` and the link `libcuda.so` to it into a directory, without the functions named and without
/// those newer than the driver version given, which `cuDriverGetVersion` of the copy then returns. Returns the path
/// of the library. Programs that use a library of that path keep the one that they have.
///
/// # Errors
///
/// When the file cannot be written, or a name is not one of [`entry_points`].
pub fn write_library(
    directory: &Path,
    driver_version: Option<u32>,
    without: &[&str],
) -> io::Result<PathBuf> {
    for name in without {
        find(name).map_err(invalid)?;
    }
    let newer = entry_points()
        .filter(|entry| driver_version.is_some_and(|version| entry.since > version))
        .map(|entry| entry.symbol);
    let hidden: Vec<&str> = without.iter().copied().chain(newer).collect();
    let mut library = LIBRARY.to_vec();
    elf::hide_symbols(&mut library, &hidden).map_err(invalid)?;
    if let Some(version) = driver_version {
        bake_version(&mut library, version)?;
    }
    let path = directory.join(FILE_NAME);
    replace(&path, |beside| fs::write(beside, &library))?;
    replace(&directory.join("libcuda.so"), |beside| symlink(FILE_NAME, beside))?;
    Ok(path)
}

/// Changes the number behind the marker of `c/process_state.c`.
fn bake_version(library: &mut [u8], version: u32) -> io::Result<()> {
    let version = i32::try_from(version)
        .map_err(|_| invalid(format!("no driver has a version as great as {version}")))?;
    let number = *BAKED_VERSION;
    library[number..number + size_of::<i32>()].copy_from_slice(&version.to_ne_bytes());
    Ok(())
}

/// Makes the file beside its place and renames it: what a running program has mapped must not change
/// under it.
fn replace(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_file_name(format!(".{FILE_NAME}.{}.{number}", process::id()));
    let made = make(&beside).and_then(|()| fs::rename(&beside, path));
    if made.is_err() {
        let _ = fs::remove_file(&beside); // it may not even be there
    }
    made
}

fn invalid(complaint: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, complaint)
}
