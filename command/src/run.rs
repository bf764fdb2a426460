//! `cuda-contexts run`: runs a program whose new threads stay on their creator's device.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use memmap2::MmapOptions;
use tempfile::NamedTempFile;

use crate::command::{FAILED, cannot_run, print, say};
use crate::file_error::with_path;

const AFTER: &str = "\
It holds for all children of COMMAND that keep LD_PRELOAD in their environment. It does not help with:
  - threads that are created before their creator has selected its device: select the device first \
(cuda-contexts trace shows where each context was created)
  - threads with a stack of less than 64 KiB, threads by raw clone (the runtime of Go), static \
programs, and children without this environment (env -i)
  - imports and calls that use device 0 on the main thread, and helper processes

Other cures, in the order to try: show each process its own GPU only (CUDA_VISIBLE_DEVICES, torchrun \
--virtual-local-rank); show it its own GPU first, as dask-cuda does; this command; select the device in \
the thread; release strays after the start (PrimaryContextGuard::retain_only).

Exit status: COMMAND's. 125 if the library cannot be stored, 126 if COMMAND cannot be run, 127 if it is \
not found.";

/// Runs a program so that each new thread begins with the primary context that is current on the thread
/// that creates it. Without it, a new thread uses device 0, and leaves a context there. A thread that
/// selects a device itself uses that device.
#[derive(Args)]
#[command(after_help = AFTER)]
pub struct Options {
    /// Print the path of the library to preload, for Dockerfiles, Slurm prologs and pod specifications:
    /// LD_PRELOAD=PATH does the same.
    #[arg(long, conflicts_with = "command")]
    print_preload: bool,
    /// The program to run, and its arguments
    #[arg(required_unless_present = "print_preload")]
    #[arg(trailing_var_arg = true)]
    command: Vec<OsString>,
}

static LIBRARY: &[u8] = include_bytes!(env!("CUDA_CONTEXTS_KEEP_THREADS"));

pub const PRELOAD: &str = "LD_PRELOAD";

/// Replaces this process by the program. Returns only if that fails, or if there is none.
pub fn run(options: &Options) -> i32 {
    let library = match library() {
        Ok(library) => library,
        Err(error) => {
            say(format_args!("The library to preload cannot be stored: {error}"));
            return FAILED;
        }
    };
    let Some((program, arguments)) = options.command.split_first() else {
        return print(&format!("{}\n", library.display()));
    };
    let error = Command::new(program).args(arguments).env(PRELOAD, preload(&library)).exec();
    cannot_run(program, &error)
}

/// The value of `LD_PRELOAD` with this library before what the user preloads.
pub fn preload(library: &Path) -> OsString {
    let mut list = library.as_os_str().to_owned();
    if let Some(others) = env::var_os(PRELOAD).filter(|others| !others.is_empty()) {
        list.push(":");
        list.push(others);
    }
    list
}

/// Stores the library where it outlives this process, and returns its path. The name has the version and
/// the architecture. A file of that name with other contents is replaced.
///
/// # Errors
/// If there is no folder for it, or the loader could not use it there.
pub fn library() -> io::Result<PathBuf> {
    let folder = cache_folder(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))?;
    store(&folder).map_err(|error| with_path(error, &folder))
}

fn cache_folder(cache: Option<OsString>, home: Option<OsString>) -> io::Result<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let cache = cache.and_then(absolute);
    let folder = cache.or_else(|| Some(home.and_then(absolute)?.join(".cache")));
    folder.map(|folder| folder.join("cuda-contexts")).ok_or_else(|| {
        io::Error::other("neither XDG_CACHE_HOME nor HOME names a folder. Set one of them")
    })
}

fn store(folder: &Path) -> io::Result<PathBuf> {
    if let Some(letter) = splits(folder.as_os_str()) {
        return Err(io::Error::other(format!(
            "the loader splits LD_PRELOAD at {letter:?}. Set XDG_CACHE_HOME to another folder"
        )));
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Machines of several architectures may share the folder.
    let (version, machine) = (env!("CARGO_PKG_VERSION"), env::consts::ARCH);
    let path = folder.join(format!("libkeep-threads-{version}-{machine}.so"));
    if fs::read(&path).ok().as_deref() != Some(LIBRARY) {
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(LIBRARY)?;
        file.as_file().set_permissions(Permissions::from_mode(0o755))?;
        // Processes that have the old file mapped keep it.
        file.persist(&path)?;
    }
    // SAFETY: nothing is read through the map. It fails if programs may not be run from this folder.
    unsafe { MmapOptions::new().map_exec(&File::open(&path)?) }?;
    Ok(path)
}

/// The first letter at which the loader would split this path.
fn splits(path: &OsStr) -> Option<char> {
    path.as_bytes().iter().map(|&byte| char::from(byte)).find(|letter| " :\t\n".contains(*letter))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{LIBRARY, cache_folder, store};

    #[test]
    fn the_library_is_stored_once_and_mended() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/b");
        let path = store(&place).unwrap();
        assert_eq!(fs::read(&path).unwrap(), LIBRARY);
        assert!(path.to_str().unwrap().ends_with(&format!("-{}.so", std::env::consts::ARCH)));
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(store(&place).unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        fs::write(&path, "damaged").unwrap();
        store(&place).unwrap();
        assert_eq!(fs::read(&path).unwrap(), LIBRARY);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_the_loader_would_split_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a b", "a:b"] {
            let error = store(&folder.path().join(name)).unwrap_err().to_string();
            assert!(error.contains("XDG_CACHE_HOME"), "{error}");
        }
    }

    #[test]
    fn the_folder_is_the_users_cache() {
        let folder = |cache: Option<&str>, home: Option<&str>| {
            cache_folder(cache.map(Into::into), home.map(Into::into))
        };
        assert_eq!(folder(Some("/c"), Some("/h")).unwrap().to_str(), Some("/c/cuda-contexts"));
        assert_eq!(
            folder(Some("c"), Some("/h")).unwrap().to_str(),
            Some("/h/.cache/cuda-contexts")
        );
        assert!(folder(None, None).unwrap_err().to_string().contains("HOME"));
    }
}
