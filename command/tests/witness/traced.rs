//! Programs on the simulated driver, with the witness before it and without.

use std::cell::RefCell;
use std::env;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex};

use cuda_contexts::arena::Arena as Reader;
use cuda_contexts::record::Record;
use simulated_libcuda::{Builder, Call, ClientCommand, Simulator};
use tempfile::TempDir;

use crate::arena::{Arena, Settings};

/// Flags for the C compiler, such as those of a sanitizer that the witness is compiled with, too.
const FLAGS: &str = "CUDA_CONTEXTS_TEST_CFLAGS";

/// A folder for what the tests compile, for as long as they run.
static PROGRAMS: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().unwrap());

/// `client.c`, which opens the driver.
pub static CLIENT: LazyLock<PathBuf> = LazyLock::new(|| compile("client", &[]));

/// The same, linked with the driver.
pub static LINKED: LazyLock<PathBuf> = LazyLock::new(|| {
    let simulator = Simulator::builder().command("true");
    let driver = simulator.path().to_str().unwrap().to_owned();
    // A driver of an older version lacks functions that it refers to itself.
    compile("linked", &["-DLINKED", "-Wl,--allow-shlib-undefined", &driver])
});

/// A program out of `client.c`.
pub fn compile(name: &str, arguments: &[&str]) -> PathBuf {
    compile_source("client.c", name, arguments)
}

/// A library out of `library.c`.
pub fn library(name: &str, arguments: &[&str]) -> PathBuf {
    compile_source("library.c", name, &[&["-shared", "-fPIC"], arguments].concat())
}

/// Each name is compiled a single time, whichever tests ask for it at the same time.
pub fn compile_source(source: &str, name: &str, arguments: &[&str]) -> PathBuf {
    static COMPILER: Mutex<()> = Mutex::new(());
    let _turn = COMPILER.lock().unwrap();
    let program = PROGRAMS.path().join(name);
    if program.exists() {
        return program;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/witness").join(source);
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let more = env::var(FLAGS).unwrap_or_default();
    let status = Command::new(compiler)
        .args(["-O1", "-g", "-Wall"])
        .args(more.split_whitespace())
        .arg("-o")
        .arg(&program)
        .arg(source)
        .args(arguments)
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(status.expect("the C compiler that built the witness").success());
    program
}

/// Where launchers say which of a machine's workers a process is.
pub const RANKS: [&str; 5] = [
    "LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "MV2_COMM_WORLD_LOCAL_RANK",
    "SLURM_LOCALID",
];

pub struct Traced {
    pub client: ClientCommand,
    pub directory: TempDir,
    reader: RefCell<(Reader, Vec<Record>)>,
}

impl Traced {
    /// A program whose driver is behind the witness.
    pub fn new(builder: Builder, program: impl AsRef<OsStr>, settings: &Settings<'_>) -> Self {
        let mut client = builder.command(program);
        let directory = TempDir::new().unwrap();
        cuda_contexts::witness::lay_out(directory.path(), client.path()).unwrap();
        let reader = Reader::create(&directory.path().join("arena"), *settings).unwrap();
        client.env("LD_LIBRARY_PATH", directory.path());
        client.env("CUDA_CONTEXTS_ARENA", directory.path().join("arena"));
        for rank in RANKS.into_iter().chain(["RANK"]) {
            client.env_remove(rank);
        }
        Self { client, directory, reader: RefCell::new((reader, Vec::new())) }
    }

    /// After the program has ended.
    pub fn arena(&self) -> Arena {
        self.read(true)
    }

    /// While processes still write to it: what has ended.
    pub fn arena_so_far(&self) -> Arena {
        self.read(false)
    }

    fn read(&self, last: bool) -> Arena {
        let (reader, records) = &mut *self.reader.borrow_mut();
        records.extend(reader.read(last));
        Arena::new(records, reader.lost())
    }

    /// What it printed, where it ended well and said nothing on standard error.
    pub fn run(&mut self) -> String {
        success(&self.client.output().unwrap())
    }
}

fn success(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} {errors}", output.status);
    assert_eq!(errors, "");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The client's words, one call each, on a driver with this many devices behind the witness.
pub fn trace(devices: u32, words: &str) -> (String, Arena) {
    trace_with(Simulator::builder().devices(devices), words, &Settings::default())
}

pub fn trace_with(builder: Builder, words: &str, settings: &Settings<'_>) -> (String, Arena) {
    let mut traced = Traced::new(builder, &*CLIENT, settings);
    traced.client.args(words.split_whitespace());
    let said = traced.run();
    (said, traced.arena())
}

/// What the client says, and what the driver is asked, without the witness.
pub fn untraced(builder: Builder, words: &str) -> (String, Vec<Call>) {
    let mut client = builder.command(&*CLIENT);
    client.args(words.split_whitespace());
    let said = success(&client.output().unwrap());
    (said, client.calls().unwrap())
}

/// The signal that ended a program.
pub fn signal_of(output: &Output) -> Option<i32> {
    output.status.signal()
}
