//! Programs on the simulated driver, with the witness before it and without.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Output;

use cuda_contexts::arena::Arena as Reader;
use cuda_contexts::record::Record;
use simulated_libcuda::{Builder, Call, ClientCommand, Simulator};
use tempfile::TempDir;

use crate::arena::{Arena, Settings};
use crate::programs::CLIENT;

/// What must not come from the tests' own environment.
const RANKS: [&str; 6] = [
    "RANK",
    "LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "MV2_COMM_WORLD_LOCAL_RANK",
    "SLURM_LOCALID",
];

/// A folder with the witness before a driver, and an arena.
pub struct Witness {
    pub folder: TempDir,
    reader: RefCell<(Reader, Vec<Record>)>,
}

impl Witness {
    pub fn before(driver: &Path, settings: &Settings<'_>) -> Self {
        let folder = TempDir::new().unwrap();
        cuda_contexts::witness::lay_out(folder.path(), driver).unwrap();
        let reader = Reader::create(&folder.path().join("arena"), *settings).unwrap();
        Self { folder, reader: RefCell::new((reader, Vec::new())) }
    }

    /// What was recorded; while processes still write to it, what has ended.
    pub fn arena(&self, is_last: bool) -> Arena {
        let (reader, records) = &mut *self.reader.borrow_mut();
        records.extend(reader.read(is_last));
        Arena::new(records, reader.lost())
    }
}

/// A program whose driver is behind the witness.
pub struct Traced {
    pub client: ClientCommand,
    pub witness: Witness,
}

impl Traced {
    pub fn new(builder: Builder, program: impl AsRef<OsStr>, settings: &Settings<'_>) -> Self {
        let mut client = builder.command(program);
        let witness = Witness::before(client.path(), settings);
        client.env("LD_LIBRARY_PATH", witness.folder.path());
        client.env("CUDA_CONTEXTS_ARENA", witness.folder.path().join("arena"));
        RANKS.into_iter().for_each(|rank| _ = client.env_remove(rank));
        Self { client, witness }
    }

    /// The client with these words.
    pub fn client(builder: Builder, words: &str, settings: &Settings<'_>) -> Self {
        let mut traced = Self::new(builder, &*CLIENT, settings);
        traced.client.args(words.split_whitespace());
        traced
    }

    /// After the program has ended.
    pub fn arena(&self) -> Arena {
        self.witness.arena(true)
    }

    /// What it printed, where it ended well and said nothing on standard error.
    pub fn run(&mut self) -> String {
        success(&self.client.output().unwrap())
    }
}

pub fn success(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} {errors}", output.status);
    assert_eq!(errors, "");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The client with these words, on a driver with three devices behind the witness.
pub fn trace(words: &str) -> (String, Arena) {
    trace_with(words, &Settings::default())
}

pub fn trace_with(words: &str, settings: &Settings<'_>) -> (String, Arena) {
    let mut traced = Traced::client(Simulator::builder().devices(3), words, settings);
    let printed = traced.run();
    (printed, traced.arena())
}

/// What the client prints, and what the driver is asked, without the witness.
pub fn untraced(words: &str) -> (String, Vec<Call>) {
    let mut client = Simulator::builder().devices(3).command(&*CLIENT);
    client.args(words.split_whitespace());
    let printed = success(&client.output().unwrap());
    (printed, client.calls().unwrap())
}
