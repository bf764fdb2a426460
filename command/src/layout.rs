//! The private folder in which the traced program finds the witness in the driver's place.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use memmap2::MmapOptions;
use tempfile::TempDir;

use crate::file_error::with_path;
use crate::witness;

/// The file name by which every program looks for the driver.
pub const DRIVER_NAME: &str = "libcuda.so.1";

/// The file name by which the witness looks for the driver.
pub const REAL_NAME: &str = "libcuda-real.so";

/// The file of the shared memory.
pub const EVENTS_NAME: &str = "events";

/// The file that a witness opens if it cannot write to the shared memory.
pub const MISSING_NAME: &str = crate::arena::layout::MISSING_NAME;

/// By this name, which belongs to development files, few programs look for it.
pub const DEVELOPMENT_NAME: &str = "libcuda.so";

/// The folder. It goes with its owner.
#[derive(Debug)]
pub struct Layout {
    folder: TempDir,
    /// Behind the witness.
    pub driver: PathBuf,
}

impl Layout {
    pub fn create(driver: &Path) -> io::Result<Self> {
        Self::in_a_runnable_folder(|_| Ok(driver.to_owned()))
    }

    /// Makes it, with the simulated driver behind the witness, which programs find by either name.
    pub fn create_simulated() -> io::Result<Self> {
        let layout = Self::in_a_runnable_folder(|folder| {
            let place = folder.join("simulated");
            fs::create_dir(&place)?;
            simulated_libcuda::write_library(&place, None, &[])
        })?;
        layout.add_development_name()?;
        Ok(layout)
    }

    /// Where files may be executed, which on some machines they may not in `/tmp`.
    fn in_a_runnable_folder(driver: impl Fn(&Path) -> io::Result<PathBuf>) -> io::Result<Self> {
        let places = [env::temp_dir()]
            .into_iter()
            .chain(["/tmp", "/dev/shm", "/var/tmp"].map(PathBuf::from))
            .chain(env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
        let mut failure = None;
        for place in places {
            match Self::create_in(&place, &driver) {
                Ok(layout) => return Ok(layout),
                // The first is the one that the user chose.
                Err(error) => {
                    failure.get_or_insert(with_path(error, &place));
                }
            }
        }
        Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    fn create_in(place: &Path, driver: impl Fn(&Path) -> io::Result<PathBuf>) -> io::Result<Self> {
        let place = std::path::absolute(place)?;
        // The loader splits LD_LIBRARY_PATH at the first two and replaces what follows the third.
        if place.as_os_str().as_bytes().iter().any(|byte| b":;$".contains(byte)) {
            let text =
                "a folder in LD_LIBRARY_PATH cannot have a colon, a semicolon or a dollar sign";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        // Another user's process shall pass over the witness, which could not write its events.
        let folder = tempfile::Builder::new()
            .prefix("cuda-contexts-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(place)?;
        let driver = driver(folder.path())?;
        witness::lay_out(folder.path(), &driver)?;
        File::create(folder.path().join(MISSING_NAME))?;
        let library = File::open(folder.path().join(DRIVER_NAME))?;
        // SAFETY: nothing is read through the map, and nobody else knows the file.
        unsafe { MmapOptions::new().map_exec(&library) }?;
        Ok(Self { folder, driver })
    }

    /// Lets programs find the witness by the name of the development files, too. Call this only if they
    /// would find a driver by it without the command.
    pub fn add_development_name(&self) -> io::Result<()> {
        symlink(DRIVER_NAME, self.folder().join(DEVELOPMENT_NAME))
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn events(&self) -> PathBuf {
        self.folder().join(EVENTS_NAME)
    }

    /// The value of `LD_LIBRARY_PATH` that leads to this folder first, then to what was searched before.
    pub fn library_path(&self, before: Option<&OsStr>) -> OsString {
        let mut path = self.folder().as_os_str().to_owned();
        if let Some(before) = before.filter(|value| !value.is_empty()) {
            path.push(":");
            path.push(before);
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::fs::PermissionsExt;

    use super::Layout;

    #[test]
    fn the_folder_is_private_and_searched_first_and_an_empty_path_adds_none() {
        let layout = Layout::create_simulated().unwrap();
        assert_eq!(layout.folder().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let folder = layout.folder().to_str().unwrap();
        let path = |before: Option<&str>| {
            layout.library_path(before.map(OsStr::new)).into_string().unwrap()
        };
        assert_eq!([path(None), path(Some(""))], [folder, folder]);
        assert_eq!(path(Some("/a:/b;/c:")), format!("{folder}:/a:/b;/c:"));
    }
}
