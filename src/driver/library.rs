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
            match unsafe { open(name, true) } {
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
            None => unsafe { open(path, false) },
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

/// Opens a library by path or by name, with everything that it needs, and without adding its symbols to
/// those that other libraries find. The error is what was tried, and what the loader said.
///
/// # Safety
/// Opening a library runs its initialisers.
#[cfg_attr(unix, allow(unused_variables))]
unsafe fn open(path: &Path, only_in_system_folder: bool) -> Result<Library, Attempt> {
    #[cfg(unix)]
    // SAFETY: the caller's promise.
    let opened =
        unsafe { loader::Library::open(Some(path), loader::RTLD_NOW | loader::RTLD_LOCAL) };
    #[cfg(windows)]
    let flags = if only_in_system_folder { loader::LOAD_LIBRARY_SEARCH_SYSTEM32 } else { 0 };
    #[cfg(windows)]
    // SAFETY: the caller's promise.
    let opened = unsafe { loader::Library::load_with_flags(path, flags) };
    let library = opened.map_err(|error| {
        // On Windows the system's reason is the error's source.
        let reason = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Attempt::new(path, reason)
    })?;
    Ok(Library(ManuallyDrop::new(library)))
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
