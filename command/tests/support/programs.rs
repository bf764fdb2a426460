//! The programs and libraries that tests compile, each once, in a folder of the test program's own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};

use tempfile::TempDir;

use crate::limit;
use crate::skips::skip;

/// Flags for the C compiler, such as those of a sanitizer that the witness is compiled with, too.
const FLAGS: &str = "CUDA_CONTEXTS_TEST_CFLAGS";

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap());

/// The client, which opens the driver.
pub static CLIENT: LazyLock<PathBuf> = LazyLock::new(|| client("client", &[]));

/// A file of the tests' own folder.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The client, compiled with these arguments.
#[track_caller]
pub fn client(name: &str, arguments: &[&str]) -> PathBuf {
    let files = fs::read_dir(source("client")).unwrap().map(|entry| entry.unwrap().path());
    let sources: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "c")).collect();
    compile(name, &sources, &[&["-rdynamic"], arguments].concat())
}

/// A library out of `library.c`.
#[track_caller]
pub fn library(name: &str, arguments: &[&str]) -> PathBuf {
    let sources = [source("support/library.c")];
    compile(name, &sources, &[&["-shared", "-fPIC"], arguments].concat())
}

/// The driver of `driver.c`, in a folder of its own.
pub fn small_driver() -> (TempDir, PathBuf) {
    let options = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"];
    let library = compile("small-driver.so", &[source("support/driver.c")], &options);
    let folder = TempDir::new().unwrap();
    let driver = folder.path().join("libcuda.so.1");
    fs::copy(library, &driver).unwrap();
    (folder, driver)
}

/// A copy of the simulated driver, in a folder of its own.
pub fn installed_driver() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = simulated_libcuda::write_library(folder.path(), None, &[]).unwrap();
    (folder, path)
}

/// Compiles what is not there yet.
#[track_caller]
pub fn compile(name: &str, sources: &[PathBuf], arguments: &[&str]) -> PathBuf {
    static COMPILER: Mutex<()> = Mutex::new(());
    let _turn = COMPILER.lock().unwrap();
    let program = FOLDER.path().join(name);
    if program.exists() {
        return program;
    }
    let mut command = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command.args(["-g", "-O1", "-Wall"]);
    command.args(env::var(FLAGS).unwrap_or_default().split_whitespace());
    command.arg("-o").arg(&program).args(sources).args(arguments).args(["-ldl", "-lpthread"]);
    let output = limit::output(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// Whether a Python is here; if not, says so.
pub fn has_python(what: &str) -> bool {
    let mut python = Command::new("python3");
    let found = python.args(["-c", "import asyncio, ctypes"]).stdin(Stdio::null()).output();
    let has = found.is_ok_and(|output| output.status.success());
    if !has {
        skip("python", what, "there is no python3 with ctypes");
    }
    has
}
