//! Running programs under the command, or without it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::limit;

/// A driver with three devices, and the programs.
pub struct Folder {
    folder: TempDir,
    pub client: PathBuf,
    /// The client, linked against the driver.
    pub linked_client: PathBuf,
    /// The folder of a driver that can be closed.
    pub closable: PathBuf,
    /// A library whose constructor calls the client.
    pub constructor: PathBuf,
    /// One to preload, which calls the client before each thread.
    pub before_threads: PathBuf,
}

pub static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let driver = simulated_libcuda::write_library(folder.path(), None, &[]).unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run");
    let compile = |name: &str, source: &str, arguments: &[&str]| {
        let path = folder.path().join(name);
        compile(&path, &sources.join(source), arguments);
        path
    };
    let driver = driver.to_str().unwrap();
    let closable = folder.path().join("closable");
    fs::create_dir(&closable).unwrap();
    let options = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"];
    compile("closable/libcuda.so.1", "driver.c", &options);
    Folder {
        client: compile("client", "client.c", &["-rdynamic"]),
        linked_client: compile("linked", "client.c", &["-rdynamic", "-Wl,--no-as-needed", driver]),
        constructor: compile("constructor.so", "library.c", &["-shared", "-fPIC"]),
        before_threads: compile("before.so", "library.c", &["-shared", "-fPIC", "-DPRELOADED"]),
        closable,
        folder,
    }
});

impl Folder {
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Compiles a program or a library.
#[track_caller]
pub fn compile(path: &Path, source: &Path, arguments: &[&str]) {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(compiler);
    command.args(["-g", "-O0", "-Wall", "-o"]).arg(path).arg(source).args(arguments);
    let output = limit::output(command.args(["-ldl", "-lpthread"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The command with this verb, in an environment with the driver.
pub fn command(verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-contexts"));
    with_driver(&mut command);
    command.arg(verb);
    command
}

/// Lets a program find the driver.
pub fn with_driver(command: &mut Command) {
    command.env("LD_LIBRARY_PATH", FOLDER.path()).env("XDG_CACHE_HOME", FOLDER.path());
    command.env("SIMULATED_CUDA_DEVICES", "3").env_remove("CUDA_VISIBLE_DEVICES");
    command.env_remove("LD_PRELOAD").stdin(Stdio::null());
}

/// What a program prints, which must succeed.
#[track_caller]
pub fn printed(command: &mut Command) -> String {
    let output = limit::output(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", output.status);
    assert_eq!(errors, "");
    String::from_utf8(output.stdout).unwrap()
}

/// What the client prints under the command, one line each.
#[track_caller]
pub fn client(words: &str) -> Vec<String> {
    client_with(words, &[])
}

#[track_caller]
pub fn client_with(words: &str, variables: &[(&str, &OsStr)]) -> Vec<String> {
    let mut command = command("run");
    command.envs(variables.iter().copied()).arg("--").arg(&FOLDER.client);
    let text = printed(command.args(words.split_whitespace()));
    text.lines().map(str::to_owned).collect()
}

/// The client's lines, and the calls of the driver in their order.
#[track_caller]
pub fn client_and_calls(words: &str, preloaded: &Path) -> (Vec<String>, Vec<String>) {
    let log = TempDir::new_in(FOLDER.path()).unwrap();
    let log = log.path().join("log");
    let variables =
        [("SIMULATED_CUDA_LOG", log.as_os_str()), ("LD_PRELOAD", preloaded.as_os_str())];
    let lines = client_with(words, &variables);
    let call = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["function"].as_str().unwrap().to_owned()
    };
    (lines, fs::read_to_string(log).unwrap().lines().map(call).collect())
}

/// A file in the tests' folder.
pub fn write(name: &str, text: &str) -> PathBuf {
    let path = FOLDER.path().join(name);
    fs::write(&path, text).unwrap();
    path
}
