//! The dynamic loader: a library opened once and never closed.
//!
//! The driver is never unloaded. Its threads and its exit handlers live in it, other libraries of
//! the process hold pointers into it, and unloading it buys nothing.

use std::error::Error as _;
use std::ffi::{CStr, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::ptr::NonNull;

#[cfg(unix)]
use libloading::os::unix as loader;
#[cfg(windows)]
use libloading::os::windows as loader;

use crate::error::{Attempt, Error};

/// The driver's library, and those of WSL and NixOS. Never `libcuda.so`: if a toolkit is installed,
/// that is often its stub, which returns `CUDA_ERROR_STUB_LIBRARY` from every call.
#[cfg(unix)]
const DRIVERS: [&str; 3] =
    ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1", "/run/opengl-driver/lib/libcuda.so.1"];

/// The driver's library. It is looked for in the system's folder, into which the driver is installed, and not
/// beside the program.
#[cfg(windows)]
const DRIVERS: [&str; 1] = ["nvcuda.dll"];

/// A loaded library, opened with `RTLD_LOCAL`. Dropping it closes nothing.
#[derive(Debug)]
pub(crate) struct Library(ManuallyDrop<loader::Library>);

impl Library {
    /// Opens the driver: the first of its names that opens. Returns that name, too.
    pub(crate) fn open_driver() -> Result<(Self, &'static Path), Error> {
        let mut tried = Vec::new();
        for name in DRIVERS.map(Path::new) {
            // SAFETY: opening the library runs its initialisers. It is NVIDIA's driver, or what the
            // machine has instead.
            match opened(name, unsafe { open_system(name) }) {
                Ok(library) => return Ok((library, name)),
                Err(attempt) => tried.push(attempt),
            }
        }
        Err(Error::LibraryNotFound { tried })
    }

    /// Opens a named library.
    ///
    /// # Safety
    /// Opening it runs its initialisers.
    pub(crate) unsafe fn open_named(path: &Path) -> Result<Self, Error> {
        let opened = match refusal(path) {
            Some(reason) => Err(Attempt::new(path, reason)),
            // SAFETY: the caller's promise.
            None => opened(path, unsafe { open(path) }),
        };
        opened.map_err(|attempt| Error::LibraryNotFound { tried: vec![attempt] })
    }

    /// The address of a symbol, `None` if there is none.
    pub(crate) fn symbol(&self, name: &CStr) -> Option<NonNull<c_void>> {
        // SAFETY: whatever the symbol is, its address is taken for an address and for nothing else.
        let symbol = unsafe { self.0.get::<*mut c_void>(name.to_bytes_with_nul()) };
        NonNull::new(*symbol.ok()?)
    }
}

/// Opens the driver by its name.
///
/// # Safety
/// As [`open`].
#[cfg(unix)]
unsafe fn open_system(name: &Path) -> Result<loader::Library, libloading::Error> {
    // SAFETY: the caller's promise.
    unsafe { open(name) }
}

/// Opens the driver in the system's folder.
///
/// # Safety
/// As [`open`].
#[cfg(windows)]
unsafe fn open_system(name: &Path) -> Result<loader::Library, libloading::Error> {
    // SAFETY: the caller's promise.
    unsafe { loader::Library::load_with_flags(name, loader::LOAD_LIBRARY_SEARCH_SYSTEM32) }
}

/// Opens a library by path or by name, with everything that it needs, and without adding its symbols to
/// those that other libraries find.
///
/// # Safety
/// Opening a library runs its initialisers.
#[cfg(unix)]
unsafe fn open(path: &Path) -> Result<loader::Library, libloading::Error> {
    // SAFETY: the caller's promise.
    unsafe { loader::Library::open(Some(path), loader::RTLD_NOW | loader::RTLD_LOCAL) }
}

/// Opens a library by path or by name.
///
/// # Safety
/// Opening a library runs its initialisers.
#[cfg(windows)]
unsafe fn open(path: &Path) -> Result<loader::Library, libloading::Error> {
    // SAFETY: the caller's promise.
    unsafe { loader::Library::new(path) }
}

/// Why the loader does not get such a path: it would open something else.
fn refusal(path: &Path) -> Option<&'static str> {
    let name = path.as_os_str().as_encoded_bytes();
    if name.is_empty() {
        // This is the program itself, which may well link to a driver.
        return Some("the path is empty");
    }
    name.contains(&0).then_some("the name holds a NUL byte")
}

/// The library, never to be closed; or what was tried, and what the loader said.
fn opened(
    path: &Path,
    result: Result<loader::Library, libloading::Error>,
) -> Result<Library, Attempt> {
    let library = result.map_err(|error| {
        // On Windows the system's reason is the error's source.
        let reason = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Attempt::new(path, reason)
    })?;
    Ok(Library(ManuallyDrop::new(library)))
}
