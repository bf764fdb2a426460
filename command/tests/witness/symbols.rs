//! Every symbol that a driver exports is reachable through the witness: the driver's own address, or
//! the witness's where it is wrapped. On the simulated driver, on old and lessened ones, and on
//! NVIDIA's own:
//!
//! ```text
//! .ci/fetch drivers
//! CUDA_PRIMARY_CONTEXT_TEST_DRIVERS=$PWD/target/ci/drivers cargo test -p cuda-contexts --test witness symbols
//! ```

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use cuda_contexts::witness::WRAPPED;
use object::{Object, ObjectSymbol};
use simulated_libcuda::Simulator;

use crate::arena::Settings;
use crate::limit;
use crate::programs::CLIENT;
use crate::skips::{self, skip};
use crate::traced::{Witness, success};

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

/// What the client prints in a process that opened `libcuda.so.1` in this folder.
fn client(folder: &Path, others: &Path, words: &[String]) -> String {
    let mut command = Command::new(&*CLIENT);
    command.args(words).env("LD_LIBRARY_PATH", env::join_paths([folder, others]).unwrap());
    command.env("CUDA_CONTEXTS_ARENA", folder.join("arena"));
    success(&limit::output(&mut command))
}

/// What it says of each name.
fn reached(folder: &Path, others: &Path, words: &[String]) -> HashMap<String, String> {
    let printed = client(folder, others, &[&["symbols".to_owned()], words].concat());
    let pair = |line: &str| line.split_once(' ').map(|(word, what)| (word.into(), what.into()));
    printed.lines().map(|line| pair(line).unwrap()).collect()
}

/// Compares what a program reaches with the witness and without. Returns how many symbols, and how many
/// answers of cuGetProcAddress.
fn compare(driver: &Path) -> (usize, usize) {
    let witness = Witness::before(driver, &Settings::default());
    let (folder, beside) = (witness.folder.path(), driver.parent().unwrap());
    let symbols = exported(driver);
    let mut words = symbols.clone();
    words.extend(WRAPPED.iter().map(|name| (*name).to_owned()));
    // By name and version, where the driver can: names without the number of a generation.
    for version in [2000, 4000, 7000, 10000, 11000, 11040, 12000, 12050] {
        let bases = WRAPPED.iter().map(|name| name.split("_v").next().unwrap());
        words.extend(bases.chain(["cuMemAlloc"]).map(|base| format!("{base}@{version}")));
    }
    let with = reached(folder, beside, &words);
    let without = reached(beside, beside, &words);
    let mut looked_up = 0;
    for (word, plain) in &without {
        let is_look_up = word.contains('@');
        looked_up += usize::from(is_look_up && plain.starts_with("0 "));
        let symbol = if is_look_up { plain.rsplit(' ').next().unwrap() } else { word };
        let is_wrapped = WRAPPED.contains(&symbol);
        let expected =
            if is_wrapped { plain.replace("driver ", "witness ") } else { plain.clone() };
        assert_eq!(with[word], expected, "{word}");
    }
    let wrapped = WRAPPED.iter().filter(|name| without[**name] != "absent").count();
    assert!(wrapped >= 8, "{wrapped}");
    for name in OWN {
        let own = reached(folder, beside, &[name.to_owned()]);
        assert_eq!(own[name], format!("witness {name}"));
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
    let witness = Witness::before(driver, &Settings::default());
    let (folder, beside) = (witness.folder.path(), driver.parent().unwrap());
    let plain = client(beside, beside, &["init".to_owned()]);
    assert_eq!(client(folder, beside, &["init".to_owned()]), plain);
    let result = witness.arena(true).of("cuInit")[0].result.unwrap();
    assert_eq!(plain, format!("init returned {result}\n"));
}

#[test]
fn nvidia_s_drivers() {
    [418, 450, 460, 470, 535, 550, 555].into_iter().for_each(real);
}
