//! The driver that the dynamic loader would find, without loading it.

mod loader_cache;

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::layout::REAL_NAME;

/// Where the loader looks last; the first that exists on a system differs between distributions.
#[cfg(target_arch = "x86_64")]
const DEFAULT_FOLDERS: [&str; 6] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
#[cfg(target_arch = "aarch64")]
const DEFAULT_FOLDERS: [&str; 6] = [
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// Where the Windows Subsystem for Linux keeps its driver; programs look there by themselves.
const WSL_FOLDER: &str = "/usr/lib/wsl/lib";

const LOADER_CACHE: &str = "/etc/ld.so.cache";

/// The machine number in the head of an ELF file.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };

/// The driver that a program started with this `LD_LIBRARY_PATH` would load by this name.
#[must_use]
pub fn find(name: &str, library_path: Option<&OsStr>) -> Option<PathBuf> {
    let named = library_path.into_iter().flat_map(env::split_paths);
    // An empty entry means the current folder.
    let named = named.map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder });
    let cached = std::fs::read(LOADER_CACHE).unwrap_or_default();
    let cached = loader_cache::paths_of(&cached, name);
    let standard = DEFAULT_FOLDERS.iter().chain([&WSL_FOLDER]).map(PathBuf::from);
    named
        .map(|folder| folder.join(name))
        .chain(cached)
        .chain(standard.map(|folder| folder.join(name)))
        .find(|path| is_library(path))
        .map(|path| behind_a_witness(&path))
}

/// In a program that is traced already, the driver behind the witness that it found.
#[must_use]
pub fn behind_a_witness(path: &Path) -> PathBuf {
    let behind = path.parent().map(|folder| folder.join(REAL_NAME));
    let found = behind.filter(|real| is_library(real)).unwrap_or_else(|| path.to_owned());
    std::path::absolute(&found).unwrap_or(found)
}

/// Whether the loader would take it: a library for this machine. It passes over others.
#[must_use]
pub fn is_library(path: &Path) -> bool {
    let mut head = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    let machine = u16::from_le_bytes([head[18], head[19]]);
    read.is_ok() && head.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1]) && machine == MACHINE
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{behind_a_witness, find, is_library};
    use crate::layout::{DRIVER_NAME, REAL_NAME};

    #[test]
    fn the_first_library_for_this_machine_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str, content: &[u8]| {
            let folder = place.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(DRIVER_NAME), content).unwrap();
            folder
        };
        let program = fs::read("/proc/self/exe").unwrap();
        let mut other_machine = program[..64].to_vec();
        other_machine[18] = 8;
        let folders = [
            place.path().join("missing"),
            folder("text", b"INPUT(libcuda.so.1)"),
            folder("other", &other_machine),
            folder("right", &program[..64]),
            folder("later", &program[..64]),
        ];
        let path = std::env::join_paths(&folders).unwrap();
        assert_eq!(find(DRIVER_NAME, Some(&path)), Some(folders[3].join(DRIVER_NAME)));
    }

    #[test]
    fn the_driver_of_an_outer_trace_is_that_behind_its_witness() {
        let place = tempfile::tempdir().unwrap();
        let witness = place.path().join(DRIVER_NAME);
        fs::copy("/proc/self/exe", &witness).unwrap();
        assert_eq!(behind_a_witness(&witness), witness);
        let real = place.path().join(REAL_NAME);
        std::os::unix::fs::symlink("/proc/self/exe", &real).unwrap();
        assert!(is_library(&real));
        assert_eq!(behind_a_witness(&witness), real);
    }
}
