//! The device files that a process has open.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

/// An open file of a process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct DeviceFile {
    /// Its descriptor.
    pub descriptor: RawFd,
    /// What the descriptor refers to.
    pub path: PathBuf,
}

/// The `/dev/nvidia*` files that this process has open, in the order of their descriptors: opened by
/// its own CUDA calls, or inherited through `fork`.
///
/// A child that will never use CUDA may close inherited ones, so that the parent's GPU memory goes
/// with the parent (`libc::close`; nothing in the child may use the driver after that). A process
/// that uses CUDA itself must not.
///
/// # Errors
/// Those of reading `/proc/self/fd`.
pub fn device_files() -> io::Result<Vec<DeviceFile>> {
    open_files("self", "/dev/nvidia")
}

/// The `/dev/nvidia*` files that another process has open, as far as this one may look there.
///
/// # Errors
/// Those of reading `/proc/PID/fd`: `PermissionDenied` for a process of another user.
pub fn device_files_of(pid: u32) -> io::Result<Vec<DeviceFile>> {
    open_files(&pid.to_string(), "/dev/nvidia")
}

/// The files that a process has open whose path begins with this text, in the order of their
/// descriptors.
fn open_files(process: &str, prefix: impl AsRef<Path>) -> io::Result<Vec<DeviceFile>> {
    let prefix = prefix.as_ref().as_os_str().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let entry = entry?;
        // A descriptor may be closed by now: that of this very listing, for one.
        let Ok(path) = fs::read_link(entry.path()) else { continue };
        let descriptor = entry.file_name().to_str().and_then(|name| name.parse().ok());
        match descriptor {
            Some(descriptor) if path.as_os_str().as_encoded_bytes().starts_with(prefix) => {
                found.push(DeviceFile { descriptor, path });
            }
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsRawFd;

    #[test]
    fn open_files_are_found_by_their_prefix() {
        let folder = std::env::temp_dir().join(format!("device-files-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let files = ["nvidia0", "nvidiactl", "other"].map(|name| {
            let path = folder.join(name);
            (File::create(&path).unwrap(), path)
        });
        let expected = files[..2].iter();
        let mut expected: Vec<_> = expected
            .map(|(file, path)| DeviceFile { descriptor: file.as_raw_fd(), path: path.clone() })
            .collect();
        expected.sort();
        for process in ["self", &std::process::id().to_string()] {
            assert_eq!(open_files(process, folder.join("nvidia")).unwrap(), expected);
        }
        drop(files);
        assert_eq!(open_files("self", &folder).unwrap(), []);
        fs::remove_dir_all(&folder).unwrap();
    }
}
