//! Libraries in C that a test builds.

use std::ffi::{CStr, OsStr};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::process::Command;

/// Builds a library of this source beside a driver's library, which it is linked to: nothing of it need be
/// used. `source` is a file under tests.
pub fn build<'a>(
    compiler: &Path,
    source: &str,
    library: &Path,
    more: impl IntoIterator<Item = &'a OsStr>,
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut command = Command::new(compiler);
    command.args(["-shared", "-fPIC", "-Wall", "-Werror", "-Wl,--no-as-needed", "-o"]).arg(library);
    let output = command.arg(folder.join(source)).args(more).output().expect("the compiler runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A function or variable of a library, which stays loaded.
///
/// # Safety
/// The library runs no code of its own when it is loaded, and what it has under this name is of this type.
pub unsafe fn symbol<T: Copy>(library: &Path, name: &CStr) -> T {
    // SAFETY: the caller's promise.
    let library = ManuallyDrop::new(unsafe { libloading::Library::new(library) }.unwrap());
    // SAFETY: as above.
    *unsafe { library.get(name.to_bytes_with_nul()) }.unwrap()
}
