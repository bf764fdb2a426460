//! The temporary directory of one instance.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process;

/// A temporary directory that goes when its owner goes, in the process that made it: a forked child
/// that drops its copy leaves the parent's files alone.
#[derive(Debug)]
pub(crate) struct PrivateDirectory {
    path: PathBuf,
    owner: u32,
}

impl PrivateDirectory {
    pub(crate) fn create() -> io::Result<Self> {
        let mut template =
            std::env::temp_dir().join("simulated-libcuda-XXXXXX").into_os_string().into_vec();
        template.push(0);
        // SAFETY: the template ends in six X and a zero byte, and is ours to be written to.
        if unsafe { libc::mkdtemp(template.as_mut_ptr().cast()) }.is_null() {
            return Err(io::Error::last_os_error());
        }
        template.pop();
        Ok(Self { path: OsString::from_vec(template).into(), owner: process::id() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if self.owner == process::id() {
            let _ = fs::remove_dir_all(&self.path); // it may be gone already
        }
    }
}
