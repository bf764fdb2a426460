//! What the build has looked at, and so what Cargo has to watch: nothing else, and all of that.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Variables that were read and files that were looked for.
#[derive(Debug, Default)]
pub struct Watched {
    pub variables: BTreeSet<&'static str>,
    pub present: BTreeSet<PathBuf>,
    pub absent: BTreeSet<PathBuf>,
}

impl Watched {
    /// Notes a variable.
    pub fn variable(&mut self, name: &'static str) {
        self.variables.insert(name);
    }

    /// Notes a path, and says whether there is a file.
    pub fn is_file(&mut self, path: &Path) -> bool {
        match path.exists() {
            true => self.present.insert(path.to_owned()),
            false => self.absent.insert(path.to_owned()),
        };
        path.is_file()
    }

    /// The lines that tell Cargo. What is absent gets a link in a folder under `out`; where no links
    /// can be made, a file that appears later is not noticed.
    pub fn lines(&self, out: &Path) -> Vec<String> {
        let variables =
            self.variables.iter().map(|name| format!("cargo::rerun-if-env-changed={name}"));
        let mut paths: Vec<&Path> = self.present.iter().map(PathBuf::as_path).collect();
        let folder = out.join("absent");
        if !self.absent.is_empty() && links(&folder, &self.absent).is_ok() {
            paths.push(&folder);
        }
        let paths = paths.iter().map(|path| format!("cargo::rerun-if-changed={}", path.display()));
        variables.chain(paths).collect()
    }
}

/// Makes the folder anew with a link to each path that is absent.
///
/// A path that does not exist cannot be watched: Cargo runs the build script each time, as if the
/// file had been deleted. Nor can the folder that would hold it, for Cargo goes through everything
/// below a folder. But in a folder it passes over links that lead nowhere; and once such a link leads
/// to a file, it counts, and is younger than the last run of the build script. So the folder is given
/// an old time, the links have the time of their making, and the file's own time is of no account: a
/// package manager may set it years back.
#[cfg(unix)]
fn links(folder: &Path, absent: &BTreeSet<PathBuf>) -> io::Result<()> {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    // Nothing is there in the first run; what cannot be removed fails the next step.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder)?;
    // File systems keep time in ticks of up to 10 ms, and the links must be younger than the run.
    std::thread::sleep(Duration::from_millis(20));
    for (number, path) in absent.iter().enumerate() {
        symlink(path, folder.join(number.to_string()))?;
    }
    File::open(folder)?.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
}

/// Elsewhere links take a privilege.
#[cfg(not(unix))]
fn links(_: &Path, _: &BTreeSet<PathBuf>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
