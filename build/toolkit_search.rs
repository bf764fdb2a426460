//! Where a header may be: the folder that is demanded, and the places where toolkits live.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::watched::Watched;

/// The variable whose folder must hold the headers: a demand, where everything else is a hint.
pub const DEMAND: &str = "CUDA_HEADER_DIR";

/// A hint: a place that may hold a toolkit.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// An environment variable that names a toolkit's root.
    Variable(&'static str),
    /// The root of an installed toolkit, below the root of the file system.
    Toolkit(&'static str),
    /// A folder of headers, below the root of the file system.
    Headers(&'static str),
}

/// The hints in their order.
pub const PLACES: [Place; 7] = [
    Place::Variable("CUDA_HOME"),
    Place::Variable("CUDA_PATH"),
    Place::Variable("CUDA_ROOT"),
    Place::Variable("CUDA_TOOLKIT_ROOT_DIR"),
    Place::Toolkit("usr/local/cuda"),
    Place::Toolkit("opt/cuda"),
    Place::Headers("usr/include"),
];

/// What the search takes for the machine; files are read where they are.
pub struct Machine<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The root of the file system, below which toolkits are installed.
    pub root: &'a Path,
    /// The package's folder. Cargo runs build scripts in it, and relative paths begin there.
    pub package: &'a Path,
    /// The target's architecture, as Cargo spells it.
    pub architecture: &'a str,
}

impl Machine<'_> {
    /// The path that a variable names, or why it names none. An empty one counts as not set.
    pub fn named(
        &self,
        variable: &'static str,
        watched: &mut Watched,
    ) -> Option<Result<PathBuf, String>> {
        watched.variable(variable);
        let value = (self.variable)(variable).filter(|value| !value.is_empty())?;
        // Cargo is told paths in lines of UTF-8, and bindgen takes nothing else.
        Some(match value.to_str() {
            Some(path) if !path.contains(['\n', '\r']) => Ok(PathBuf::from(path)),
            _ => Err(format!("{variable} is not one line of UTF-8: {value:?}")),
        })
    }

    /// The folders of a hint, in order; none where its variable is not set.
    pub fn folders(&self, place: Place, watched: &mut Watched) -> Result<Vec<PathBuf>, String> {
        Ok(match place {
            Place::Variable(variable) => match self.named(variable, watched).transpose()? {
                Some(root) => self.include_folders(&root),
                None => Vec::new(),
            },
            Place::Toolkit(root) => self.include_folders(&self.root.join(root)),
            Place::Headers(folder) => vec![self.root.join(folder)],
        })
    }

    /// A toolkit's header folders: the usual one, and those of cross-development layouts.
    pub fn include_folders(&self, root: &Path) -> Vec<PathBuf> {
        let targets: &[&str] = match self.architecture {
            "x86_64" => &["x86_64-linux"],
            // NVIDIA calls the server flavour of 64-bit Arm by its firmware standard.
            "aarch64" => &["sbsa-linux", "aarch64-linux"],
            _ => &[],
        };
        let inner = |target| self.package.join(root).join("targets").join(target).join("include");
        let mut folders = vec![self.package.join(root).join("include")];
        folders.extend(targets.iter().map(inner));
        folders
    }

    /// A path as it was written, and what it is relative to if it is relative.
    pub fn written(&self, path: &Path) -> String {
        let written = path.display();
        match path.is_relative() {
            true => format!(
                "{written} (relative to the package's folder, in which Cargo runs build scripts: {})",
                self.package.display()
            ),
            false => written.to_string(),
        }
    }
}
