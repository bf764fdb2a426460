//! A machine made of folders, on which the build script chooses.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::choice::{CHECKED_IN, Choice, Generator, choose};
use crate::header;
use crate::toolkit_search::Machine;

/// Its root has the package in `package`, and what a test puts there.
pub struct Folders {
    pub root: PathBuf,
    variables: Vec<(&'static str, OsString)>,
    architecture: &'static str,
}

impl Folders {
    /// A machine with checked-in bindings of CUDA 13.5 and without any header.
    pub fn new(test: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_script").join(test);
        // The first run finds nothing to remove.
        let _ = fs::remove_dir_all(&root);
        let folders = Self { root, variables: Vec::new(), architecture: "x86_64" };
        folders.file(&format!("package/{CHECKED_IN}"), &bindings(13_050));
        folders
    }

    pub fn file(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts both headers into a folder.
    pub fn headers(&self, folder: &str, version: u32) {
        self.file(&format!("{folder}/cuda.h"), &format!("#define CUDA_VERSION {version}\n"));
        self.file(&format!("{folder}/cudaTypedefs.h"), "");
    }

    /// Sets a variable to a path on this machine.
    pub fn names(self, variable: &'static str, path: &str) -> Self {
        let path = self.root.join(path);
        self.sets(variable, path)
    }

    pub fn sets(mut self, variable: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((variable, value.into()));
        self
    }

    pub fn on(self, architecture: &'static str) -> Self {
        Self { architecture, ..self }
    }

    pub fn path(&self, path: &str) -> String {
        self.root.join(path).display().to_string()
    }

    /// Chooses with bindings that have what the checked-in ones have.
    pub fn choose(&self) -> Result<Choice, String> {
        self.choose_by(Some(&|folder| {
            let text = fs::read_to_string(folder.join("cuda.h")).unwrap();
            Ok(bindings(header::version(&text).unwrap()))
        }))
    }

    pub fn choose_by(&self, generator: Option<Generator>) -> Result<Choice, String> {
        let machine = Machine {
            variable: &|name| {
                let found = self.variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| value.clone())
            },
            root: &self.root,
            package: &self.root.join("package"),
            architecture: self.architecture,
        };
        choose(&machine, generator)
    }

    /// The text of `sys::SOURCE`.
    pub fn source(&self) -> String {
        self.choose().unwrap().source
    }

    /// The folder whose header was chosen, relative to the root.
    pub fn chosen(&self) -> Option<String> {
        let folder = self.choose().unwrap().generated?.folder;
        Some(folder.strip_prefix(&self.root).unwrap().display().to_string())
    }
}

pub fn bindings(version: u32) -> String {
    format!("pub const CUDA_VERSION: u32 = {version};\npub type CUdevice = ::core::ffi::c_int;\n")
}
