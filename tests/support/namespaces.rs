//! A folder of the system's, another one for this process alone.

use std::ffi::CStr;
use std::io;
use std::ptr;

use super::processes::this_test;
use super::skips::skip;

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Replaces this folder by an empty one, for this process and its children, or says that the test cannot. The
/// process has one thread.
pub fn has_empty_folder_at(folder: &CStr) -> bool {
    let replaced = empty_folder_at(folder);
    if let Err(error) = &replaced {
        let reason = format!("no {} of its own: {error}", folder.to_string_lossy());
        skip("namespaces", &this_test(), &reason);
    }
    replaced.is_ok()
}

fn empty_folder_at(folder: &CStr) -> io::Result<()> {
    // SAFETY: takes plain numbers.
    let as_root = checked(unsafe { libc::unshare(libc::CLONE_NEWNS) });
    if as_root.is_err() {
        // SAFETY: as above.
        checked(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
    }
    let (none, private) = (ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
    // SAFETY: the path is a C string, and what is null may be.
    checked(unsafe { libc::mount(none, c"/".as_ptr(), none, private, none.cast()) })?;
    let kind = c"tmpfs".as_ptr();
    // SAFETY: the texts are C strings, and the data may be null.
    checked(unsafe { libc::mount(kind, folder.as_ptr(), kind, 0, none.cast()) })
}
