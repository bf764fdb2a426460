//! Namespaces of a test's own: a folder of the system's that is another one there, and process ids.

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
    is_possible(empty_folder_at(folder), &folder.to_string_lossy())
}

/// Makes the next child process 1 of a PID namespace of its own, or says that the test cannot. The process has one
/// thread.
pub fn makes_first_processes() -> bool {
    is_possible(unshare(libc::CLONE_NEWPID), "process ids")
}

fn is_possible(done: io::Result<()>, what: &str) -> bool {
    if let Err(error) = &done {
        skip("namespaces", &this_test(), &format!("no {what} of its own: {error}"));
    }
    done.is_ok()
}

fn unshare(namespace: libc::c_int) -> io::Result<()> {
    // SAFETY: takes plain numbers.
    let as_root = checked(unsafe { libc::unshare(namespace) });
    // SAFETY: as above.
    as_root.or_else(|_| checked(unsafe { libc::unshare(libc::CLONE_NEWUSER | namespace) }))
}

fn empty_folder_at(folder: &CStr) -> io::Result<()> {
    unshare(libc::CLONE_NEWNS)?;
    let (none, private) = (ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
    // SAFETY: the path is a C string, and what is null may be.
    checked(unsafe { libc::mount(none, c"/".as_ptr(), none, private, none.cast()) })?;
    let kind = c"tmpfs".as_ptr();
    // SAFETY: the texts are C strings, and the data may be null.
    checked(unsafe { libc::mount(kind, folder.as_ptr(), kind, 0, none.cast()) })
}
