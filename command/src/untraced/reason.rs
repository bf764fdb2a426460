//! Why a process has a driver that is not behind the witness.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;

use crate::layout::DRIVER_NAME;
use crate::processes::Process;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    EnvironmentCleared,
    SetUid,
    OtherUser,
    ByPath,
}

impl Reason {
    /// Of a process that has a driver and not the witness.
    pub(super) fn of(process: Process, witness: &Path) -> Self {
        let set_uid = fs::metadata(process.file("exe")).is_ok_and(|program| {
            program.permissions().mode() & (libc::S_ISUID | libc::S_ISGID) != 0
        });
        if set_uid {
            return Self::SetUid;
        }
        let folder = process.file("cwd");
        let leads_here = |variable: &[u8]| {
            let Some(value) = variable.strip_prefix(b"LD_LIBRARY_PATH=") else { return false };
            let mut entries = value.split(|byte| b":;".contains(byte)).map(OsStr::from_bytes);
            // Relative ones, and the empty one, are of the process's own folder.
            let first = entries.find_map(|entry| {
                let library = folder.join(entry).join(DRIVER_NAME);
                (library == witness || library.exists()).then_some(library)
            });
            first.is_some_and(|library| library == witness)
        };
        match fs::read(process.file("environ")) {
            Ok(variables) if !variables.split(|&byte| byte == 0).any(leads_here) => {
                Self::EnvironmentCleared
            }
            _ if is_of_another_user(process, witness) => Self::OtherUser,
            _ => Self::ByPath,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::EnvironmentCleared => {
                "it was started without an LD_LIBRARY_PATH that leads to the witness first"
            }
            Self::SetUid => "the loader ignores LD_LIBRARY_PATH in a set-uid program",
            Self::OtherUser => "it runs as another user, who may not enter the command's folder",
            Self::ByPath => "it was opened by its path, or found by a path inside the program",
        }
    }
}

/// Whether the process may not enter the witness's folder, which is its owner's alone.
fn is_of_another_user(process: Process, witness: &Path) -> bool {
    let owner = witness.parent().and_then(|folder| fs::metadata(folder).ok());
    let user = process.effective_user().filter(|&user| user != 0);
    user.zip(owner).is_some_and(|(user, owner)| user != owner.uid())
}
