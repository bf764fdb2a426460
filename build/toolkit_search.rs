//! Where headers may be: the folder that is required, and the folders in which toolkits are installed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::header::HEADERS;

/// The variable that names the folder of the headers. If it is set, no other folder is tried.
pub const REQUIRED: &str = "CUDA_HEADER_DIR";

/// Variables that name the root of a toolkit, in the order in which they are tried.
pub const VARIABLES: [&str; 4] = ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"];

/// Roots of installed toolkits, below the root of the file system. They are tried last.
pub const INSTALLED: [&str; 3] = ["usr/local/cuda", "opt/cuda", "usr"];

/// What the search reads of the machine. Tests replace it.
pub struct Machine<'a> {
    /// Returns the value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The root of the file system.
    pub root: &'a Path,
    /// The package's folder, in which Cargo runs build scripts. Relative paths start there.
    pub package: &'a Path,
    /// The target's architecture, as Cargo spells it.
    pub architecture: &'a str,
}

impl Machine<'_> {
    /// Returns the path in a variable, or why it cannot be used. An empty variable counts as not set.
    pub fn path_in(&self, variable: &str) -> Option<Result<PathBuf, String>> {
        let value = (self.variable)(variable).filter(|value| !value.is_empty())?;
        // Cargo reads paths from lines of UTF-8, and bindgen takes UTF-8.
        Some(match value.to_str() {
            Some(path) if !path.contains(['\n', '\r']) => Ok(PathBuf::from(path)),
            _ => Err(format!("{variable} is not one line of UTF-8: {value:?}")),
        })
    }

    /// Returns the header folders of the toolkits on this machine, and why a variable leads to none.
    pub fn toolkits(&self) -> Vec<Result<PathBuf, String>> {
        let named = VARIABLES.iter().filter_map(|variable| {
            let root = match self.path_in(variable)? {
                Ok(root) => root,
                Err(why) => return Some(Err(why)),
            };
            let nothing = || format!("{variable}: no cuda.h in {}", root.join("include").display());
            Some(self.headers_in(&root).ok_or_else(nothing))
        });
        let installed = INSTALLED.iter().filter_map(|root| self.headers_in(&self.root.join(root)));
        named.chain(installed.map(Ok)).collect()
    }

    fn headers_in(&self, root: &Path) -> Option<PathBuf> {
        self.include_folders(root).into_iter().find(|folder| folder.join(HEADERS[0]).is_file())
    }

    /// Returns a toolkit's header folders: the usual one, then those of cross-development layouts.
    pub fn include_folders(&self, root: &Path) -> Vec<PathBuf> {
        let targets: &[&str] = match self.architecture {
            "x86_64" => &["x86_64-linux"],
            // NVIDIA names 64-bit Arm servers after their firmware standard.
            "aarch64" => &["sbsa-linux", "aarch64-linux"],
            _ => &[],
        };
        let root = self.package.join(root);
        let cross = targets.iter().map(|target| root.join("targets").join(target).join("include"));
        [root.join("include")].into_iter().chain(cross).collect()
    }
}
