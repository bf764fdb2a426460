//! Every symbol that a driver exports is reachable through the witness: the driver's own address, or
//! the witness's where it is wrapped. On the simulated driver, on old and lessened ones, and on
//! NVIDIA's own:
//!
//! ```text
//! .ci/fetch drivers
//! CUDA_PRIMARY_CONTEXT_TEST_DRIVERS=$PWD/target/ci/drivers cargo test -p cuda-contexts --test command symbols::
//! ```

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use cuda_contexts::witness::WRAPPED;
use object::{Object, ObjectSymbol};
use simulated_libcuda::Simulator;

use crate::limit::printed;
use crate::programs::CLIENT;
use crate::skips::{self, skip};
use crate::traced::{Trace, Traced};

const DRIVERS: &str = "CUDA_PRIMARY_CONTEXT_TEST_DRIVERS";
const OWN: [&str; 2] = ["cuda_contexts_version", "cuda_contexts_holders"];

fn exported(library: &Path) -> Vec<String> {
    let bytes = std::fs::read(library).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    file.dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .filter_map(|symbol| symbol.name().ok().map(str::to_owned))
        .filter(|name| name.starts_with("cu"))
        .collect()
}

/// The client with these words on a driver, with the witness before it. Beside the driver may be a library
/// that it needs.
fn traced(driver: &Path, words: &[&str]) -> Traced {
    let mut trace = Trace::behind(driver, &[]);
    trace.command.env("LD_LIBRARY_PATH", driver.parent().unwrap());
    let traced = trace.program(&[&[CLIENT.to_str().unwrap()][..], words].concat()).run();
    traced.ended_with(0);
    traced
}

/// What it prints without the witness.
fn alone(driver: &Path, words: &[&str]) -> String {
    let mut client = Command::new(&*CLIENT);
    printed(client.args(words).env("LD_LIBRARY_PATH", driver.parent().unwrap()))
}

/// What the client says of each name.
fn reached(printed: &str) -> HashMap<&str, &str> {
    printed.lines().map(|line| line.split_once(' ').unwrap()).collect()
}

/// Compares what a program reaches with the witness and without. Returns how many symbols, and how many
/// answers of cuGetProcAddress.
fn compare(driver: &Path) -> (usize, usize) {
    let symbols = exported(driver);
    // By name and version, where the driver can: names without the number of a generation.
    let versions = [2000, 4000, 7000, 10000, 11000, 11040, 12000, 12050].iter();
    let by_version: Vec<String> = versions
        .flat_map(|version| {
            let bases = WRAPPED.iter().map(|name| name.split("_v").next().unwrap());
            bases.chain(["cuMemAlloc"]).map(move |base| format!("{base}@{version}"))
        })
        .collect();
    let words =
        ["symbols"].into_iter().chain(symbols.iter().chain(&by_version).map(String::as_str));
    let words: Vec<&str> = words.chain(WRAPPED.iter().copied()).collect();
    let printed = (traced(driver, &[&words[..], &OWN].concat()).stdout, alone(driver, &words));
    let (with, without) = (reached(&printed.0), reached(&printed.1));
    let mut looked_up = 0;
    for (word, plain) in &without {
        let is_look_up = word.contains('@');
        looked_up += usize::from(is_look_up && plain.starts_with("0 "));
        let symbol = if is_look_up { plain.rsplit(' ').next().unwrap() } else { *word };
        let is_wrapped = WRAPPED.contains(&symbol);
        let expected =
            if is_wrapped { plain.replace("driver ", "witness ") } else { (*plain).to_owned() };
        assert_eq!(with[word], expected, "{word}");
    }
    let wrapped = WRAPPED.iter().filter(|name| without[*name] != "absent").count();
    assert!(wrapped >= 8, "{wrapped}");
    for name in OWN {
        assert_eq!(with[name], format!("witness {name}"));
    }
    (symbols.len(), looked_up)
}

#[test]
fn simulated_drivers_of_every_version_and_without_each_function() {
    for version in [9000, 11000, 11030, 12000, 12040, 13000] {
        let driver = Simulator::builder().driver_version(version).command("true");
        let (symbols, looked_up) = compare(driver.path());
        assert!(symbols > 40, "{version}: {symbols}");
        assert_eq!(looked_up > 0, version >= 11030, "{version}");
    }
    for name in WRAPPED {
        compare(Simulator::builder().without(&[name]).command("true").path());
    }
}

fn real(generation: u32) {
    let name = format!("driver {generation} behind the witness");
    let folder = env::var_os(DRIVERS).map(PathBuf::from).unwrap_or_default();
    let driver = folder.join(generation.to_string()).join("libcuda.so.1");
    if !driver.is_file() {
        let reason = format!("{DRIVERS} has no {}", driver.display());
        return skip(&format!("driver-{generation}"), &name, &reason);
    }
    let (symbols, looked_up) = compare(&driver);
    assert!(symbols > 300, "{symbols}");
    assert_eq!(looked_up > 0, generation >= 470);
    skips::say(&format!("{name}: {symbols} symbols, {looked_up} look-ups by version"));
    no_device(&driver);
}

/// Without a GPU: cuInit is refused through the witness as without it.
fn no_device(driver: &Path) {
    let (plain, with) = (alone(driver, &["init"]), traced(driver, &["init"]));
    assert_eq!(with.stdout, plain);
    assert_eq!(plain, format!("init returned {}\n", with.calls("cuInit")[0]["result"]));
}

#[test]
fn nvidia_s_drivers() {
    [418, 450, 460, 470, 535, 550, 555].into_iter().for_each(real);
}
