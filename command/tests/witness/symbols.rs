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

use crate::arena::{Arena, Settings};
use crate::skips::{self, skip};
use crate::traced::CLIENT;
use cuda_contexts::witness::{WRAPPED, lay_out};
use object::{Object, ObjectSymbol};
use simulated_libcuda::Simulator;

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

/// What the client says of each name in a process that opened `libcuda.so.1` in this folder.
fn reached(folder: &Path, others: &Path, words: &[String]) -> HashMap<String, String> {
    let folders = env::join_paths([folder, others]).unwrap();
    let output = Command::new(&*CLIENT)
        .arg("symbols")
        .args(words)
        .env("LD_LIBRARY_PATH", folders)
        .env_remove("CUDA_CONTEXTS_ARENA")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} {errors}", output.status);
    assert_eq!(errors, "");
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines()
        .map(|line| {
            let (word, what) = line.split_once(' ').unwrap();
            (word.to_owned(), what.to_owned())
        })
        .collect()
}

/// Compares what a program reaches with the witness and without. Returns how many symbols, and how many
/// answers of cuGetProcAddress.
fn compare(driver: &Path) -> (usize, usize) {
    let directory = tempfile::tempdir().unwrap();
    lay_out(directory.path(), driver).unwrap();
    let beside = driver.parent().unwrap();
    let symbols = exported(driver);
    let wrapped_and_there: Vec<&&str> =
        WRAPPED.iter().filter(|name| symbols.iter().any(|symbol| symbol == *name)).collect();
    let absent = WRAPPED.iter().filter(|name| !wrapped_and_there.contains(name));
    let mut words = symbols.clone();
    words.extend(absent.clone().map(|name| (*name).to_owned()));
    // By name and version, where the driver can: names without the number of a generation.
    for version in [2000, 4000, 7000, 10000, 11000, 11040, 12000, 12050] {
        words.extend(WRAPPED.iter().map(|name| {
            let base = name.split("_v").next().unwrap();
            format!("{base}@{version}")
        }));
        words.push(format!("cuMemAlloc@{version}"));
    }
    let with = reached(directory.path(), beside, &words);
    let without = reached(beside, beside, &words);
    let mut looked_up = 0;
    for (word, plain) in &without {
        let name = word.split('@').next().unwrap();
        let through = &with[word];
        let symbol = plain.rsplit(' ').next().unwrap();
        if word.contains('@') {
            looked_up += usize::from(plain.starts_with("0 "));
            let expected = if WRAPPED.contains(&symbol) {
                plain.replace(" driver ", " witness ")
            } else {
                plain.clone()
            };
            assert_eq!(
                *through,
                expected,
                "{word} {absent:?}",
                absent = absent.clone().collect::<Vec<_>>()
            );
        } else if absent.clone().any(|absent| *absent == name) {
            assert_eq!((plain.as_str(), through.as_str()), ("absent", "absent"), "{name}");
        } else if WRAPPED.contains(&name) {
            assert_eq!(*through, plain.replace("driver ", "witness "), "{name}");
        } else {
            assert_eq!(through, plain, "{name}");
        }
    }
    for name in OWN {
        let own = reached(directory.path(), beside, &[name.to_owned()]);
        assert_eq!(own[name], format!("witness {name}"));
    }
    assert!(wrapped_and_there.len() >= 8, "{wrapped_and_there:?}");
    (symbols.len(), looked_up)
}

#[test]
fn the_simulated_driver() {
    for version in [9000, 11000, 11030, 12000, 12040, 13000] {
        let client = Simulator::builder().driver_version(version).command("true");
        let (symbols, looked_up) = compare(client.path());
        assert!(symbols > 40, "{version}: {symbols}");
        assert_eq!(looked_up > 0, version >= 11030, "{version}");
    }
}

#[test]
fn a_driver_that_lacks_one_function() {
    for name in WRAPPED {
        let client = Simulator::builder().without(&[name]).command("true");
        compare(client.path());
    }
}

fn real(generation: u32) {
    let name = format!("driver {generation} behind the witness");
    let Some(folder) = env::var_os(DRIVERS).map(PathBuf::from) else {
        return skip(&format!("driver-{generation}"), &name, &format!("{DRIVERS} names no folder"));
    };
    let driver = folder.join(generation.to_string()).join("libcuda.so.1");
    if !driver.is_file() {
        return skip(
            &format!("driver-{generation}"),
            &name,
            &format!("there is no {}", driver.display()),
        );
    }
    let (symbols, looked_up) = compare(&driver);
    assert!(symbols > 300, "{symbols}");
    assert_eq!(looked_up > 0, generation >= 470);
    skips::say(&format!("{name}: {symbols} symbols, {looked_up} look-ups by version"));
    no_device(&driver);
}

/// Without a GPU: cuInit is refused through the witness as without it.
fn no_device(driver: &Path) {
    let directory = tempfile::tempdir().unwrap();
    lay_out(directory.path(), driver).unwrap();
    let arena = directory.path().join("arena");
    let mut reader = cuda_contexts::arena::Arena::create(&arena, Settings::default()).unwrap();
    let beside = driver.parent().unwrap();
    let init = |folder: &Path| {
        let mut command = Command::new(&*CLIENT);
        command.arg("init").env("CUDA_CONTEXTS_ARENA", &arena);
        command.env("LD_LIBRARY_PATH", env::join_paths([folder, beside]).unwrap());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let plain = init(beside);
    assert_eq!(init(directory.path()), plain);
    let recorded = Arena::new(&reader.read(true), reader.lost());
    let answer = plain.1.trim_start_matches("init ").trim();
    assert_eq!(recorded.of("cuInit")[0].result.unwrap().to_string(), answer);
}

#[test]
fn nvidia_s_drivers() {
    [418, 450, 460, 470, 535, 550, 555].into_iter().for_each(real);
}
