//! The dynamic loader: a library opened once and never closed.
//!
//! The driver is never unloaded. Its threads and its exit handlers live in it, other libraries of
//! the process hold pointers into it, and unloading it buys nothing.

use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr::NonNull;

use crate::error::{Attempt, Error};

/// The driver's library, and where WSL keeps it. Never `libcuda.so`: where a toolkit is installed,
/// that is often its stub, which answers every call with `CUDA_ERROR_STUB_LIBRARY`.
const DRIVERS: [&str; 2] = ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"];

/// A loaded library, known by the loader's handle. Two loads of one file have the same handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Library(NonNull<c_void>);

// SAFETY: the handle is only ever given to dlsym, which may be called from any thread.
unsafe impl Send for Library {}
// SAFETY: as above; nothing is ever written through the handle.
unsafe impl Sync for Library {}

impl Library {
    /// Opens the driver: the first of its names that opens, and that name.
    pub(crate) fn open_driver() -> Result<(Self, &'static Path), Error> {
        let mut tried = Vec::new();
        for name in DRIVERS.map(Path::new) {
            match Self::open(name) {
                Ok(library) => return Ok((library, name)),
                Err(attempt) => tried.push(attempt),
            }
        }
        Err(Error::LibraryNotFound { tried })
    }

    /// Opens a named library.
    pub(crate) fn open_named(path: &Path) -> Result<Self, Error> {
        Self::open(path).map_err(|attempt| Error::LibraryNotFound { tried: vec![attempt] })
    }

    /// Opens a library by path or by name (`dlopen`). The names of one library stay its own.
    fn open(path: &Path) -> Result<Self, Attempt> {
        let failed = |reason: String| Attempt { library: path.to_owned(), reason };
        if path.as_os_str().is_empty() {
            // dlopen would open the program itself, which may well link to a driver.
            return Err(failed("the path is empty".to_owned()));
        }
        let name = CString::new(path.as_os_str().as_encoded_bytes())
            .map_err(|_| failed("the name holds a NUL byte".to_owned()))?;
        // SAFETY: `name` is a C string. Opening a library runs its initialisers; that is what
        // loading a driver means, and the caller named the file.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        NonNull::new(handle).map(Self).ok_or_else(|| failed(last_error()))
    }

    /// The address of a symbol (`dlsym`), `None` where there is none.
    pub(crate) fn symbol(self, name: &CStr) -> Option<NonNull<c_void>> {
        // SAFETY: the handle came from dlopen and is never closed; `name` is a C string.
        NonNull::new(unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) })
    }
}

/// What the loader says of its last failure on this thread.
fn last_error() -> String {
    // SAFETY: dlerror takes nothing, and keeps its text per thread.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "the dynamic loader gave no reason".to_owned();
    }
    // SAFETY: a non-null answer is a C string that lives until this thread's next call of the
    // loader, and it is copied here.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
