//! The same work by every way to the driver, with the libcuda.so.1 that the loader finds.
//!
//! `peers simulator DIRECTORY`   writes the simulated driver there, for LD_LIBRARY_PATH
//! `peers measure ROUNDS`        times of all contenders, as one JSON object
//! `peers first-use CONTENDER`   nanoseconds from nothing to the first answer about a device
//! `peers calls CONTENDER`       the release path once, all others stray; for SIMULATED_CUDA_LOG
//! `peers waits ROUNDS`          how long retains wait while other devices are released, as JSON
//! `peers memory`                what a release gives back, as one JSON object
//! `peers names`                 the contenders

mod contender;
mod cudarc;
mod measure;
mod memory;
#[cfg(feature = "cuda-bindings")]
mod nvidia;
mod plain;
#[path = "../../support/mod.rs"]
mod support;
mod this_crate;
mod waits;

use std::env;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use contender::{Calls, Contender, kept};
use plain::{Plain, WithACount};

/// A contender's name, how it gets ready, and its first use of the driver.
type Entry = (&'static str, fn() -> Box<dyn Contender>, fn() -> bool);

const CONTENDERS: &[Entry] = &[
    ("raw", || Box::new(Plain::load()), Plain::first_use),
    (WithACount::NAME, || Box::new(WithACount::load()), Plain::first_use),
    (
        "cuda-primary-context",
        || Box::new(this_crate::ThisCrate::load()),
        this_crate::ThisCrate::first_use,
    ),
    ("cudarc", || Box::new(cudarc::Cudarc::load()), cudarc::Cudarc::first_use),
    #[cfg(feature = "cuda-bindings")]
    ("cuda-bindings", || Box::new(nvidia::CudaBindings::load()), nvidia::CudaBindings::first_use),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["simulator", directory] => write_simulator(directory.as_ref()),
        ["measure", rounds] => {
            let rounds = rounds.parse().expect("a number of rounds");
            let contenders: Vec<_> = CONTENDERS.iter().map(|(_, load, _)| load()).collect();
            println!("{}", measure::measure(&Plain::load(), &contenders, rounds));
        }
        ["first-use", name] => {
            let (_, _, first_use) = find(name);
            let began = Instant::now();
            let active = first_use();
            println!("{}", began.elapsed().as_nanos());
            assert!(!active, "a new process has no context");
        }
        ["calls", name] => calls(name),
        ["waits", rounds] => {
            let rounds = rounds.parse().expect("a number of rounds");
            println!("{}", waits::measure(&Plain::load(), rounds));
        }
        ["memory"] => println!("{}", memory::memory()),
        ["names"] => CONTENDERS.iter().for_each(|(name, ..)| println!("{name}")),
        _ => {
            eprintln!("usage: peers simulator DIRECTORY | measure ROUNDS | first-use CONTENDER");
            eprintln!("           | calls CONTENDER | waits ROUNDS | memory | names");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn find(name: &str) -> &'static Entry {
    let entry = CONTENDERS.iter().find(|(known, ..)| *known == name);
    entry.unwrap_or_else(|| panic!("there is no contender {name}"))
}

/// Also as libcuda.so, which some look for first.
fn write_simulator(directory: &Path) {
    std::fs::create_dir_all(directory).expect("the directory can be made");
    simulated_libcuda::write_library(directory, None, &[]).expect("the directory can be written");
    let link = directory.join("libcuda.so");
    if !link.exists() {
        symlink(plain::LIBRARY, link).expect("the directory can be written");
    }
}

/// Between two marks in the log of calls, which are calls that no contender makes.
fn calls(name: &str) {
    let (_, load, _) = find(name);
    let (contender, plain) = (load(), Plain::load());
    let devices = plain.devices().len();
    let others: Vec<usize> = (0..devices).filter(|&device| device != kept(devices)).collect();
    plain.stray(&others);
    plain.mark();
    contender.release_path();
    plain.mark();
}
