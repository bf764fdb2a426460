//! A machine made of folders, on which the build script's choice is tried.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::choice::{CHECKED_IN, Choice, Generator, choose};
use crate::toolkit_search::Machine;
use crate::watched::Watched;

/// The version of the checked-in bindings on these machines.
pub const CHECKED_IN_VERSION: u32 = 13_050;

/// Its root has the package in `package`, and what a test puts there.
pub struct Folders {
    pub root: PathBuf,
    variables: Vec<(&'static str, OsString)>,
    architecture: &'static str,
}

impl Folders {
    /// A machine with checked-in bindings and without any header.
    pub fn new(test: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_script").join(test);
        // Nothing is there in the first run.
        let _ = fs::remove_dir_all(&root);
        let folders = Self { root, variables: Vec::new(), architecture: "x86_64" };
        let bindings = bindings(CHECKED_IN_VERSION);
        folders.file(&format!("package/{CHECKED_IN}"), &bindings);
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
        self.sets(variable, path.into_os_string())
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

    /// What the build script chooses there, and what it looked at. Its bindings are those of a
    /// header that declares what the checked-in bindings have.
    pub fn choose(&self) -> (Result<Choice, String>, Watched) {
        self.choose_by(Some(&|folder| {
            let text = fs::read_to_string(folder.join("cuda.h")).unwrap();
            Ok(bindings(crate::header::version(&text).unwrap()))
        }))
    }

    pub fn choose_by(&self, generator: Option<Generator>) -> (Result<Choice, String>, Watched) {
        let mut watched = Watched::default();
        let machine = Machine {
            variable: &|name| {
                let found = self.variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| value.clone())
            },
            root: &self.root,
            package: &self.root.join("package"),
            architecture: self.architecture,
        };
        (choose(&machine, &mut watched, generator), watched)
    }

    /// What `sys::SOURCE` says of the choice.
    pub fn source(&self) -> String {
        self.choose().0.unwrap().source
    }

    /// The folder whose header was chosen, relative to the root.
    pub fn chosen(&self) -> Option<String> {
        let generated = self.choose().0.unwrap().generated?;
        let folder = generated.folder.strip_prefix(&self.root).unwrap();
        Some(folder.display().to_string())
    }

    /// Why nothing could be chosen.
    pub fn refusal(&self) -> String {
        self.choose().0.unwrap_err()
    }
}

pub fn bindings(version: u32) -> String {
    format!("pub const CUDA_VERSION: u32 = {version};\npub type CUdevice = ::core::ffi::c_int;\n")
}
