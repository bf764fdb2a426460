//! NVIDIA's own libraries of seven driver generations, which load on a machine without a GPU.
//!
//! ```text
//! .ci/fetch drivers
//! CUDA_PRIMARY_CONTEXT_TEST_DRIVERS=$PWD/target/ci/drivers cargo test --test bindings driver_generations::
//! ```
//!
//! On each: what the crate makes of it, whether every function is there that the driver's CUDA
//! version should have, whether both ways of looking one up agree, and whether the crate's table of
//! error names is the driver's. A generation that is not in the folder is skipped in words, and fails
//! where `CUDA_PRIMARY_CONTEXT_REQUIRE` names it (`driver-535`).

mod library;
mod missing;

use std::env;
use std::path::{Path, PathBuf};

use cuda_primary_context::Error;
use cuda_primary_context::sys::CUresult;
use library::{Library, LookUp};
use missing::Missing;

use crate::support::load;
use crate::support::processes::run_again;
use crate::support::skips::{pass_on, say, skip};
use crate::text::{self, Function};

const DRIVERS: &str = "CUDA_PRIMARY_CONTEXT_TEST_DRIVERS";

/// The library of a generation, where it is at hand.
fn library_of(generation: u32) -> Option<PathBuf> {
    let path = env::var_os(DRIVERS)
        .map(|folder| Path::new(&folder).join(generation.to_string()).join("libcuda.so.1"));
    let reason = match path {
        Some(path) if path.is_file() => return Some(path),
        Some(path) => format!("there is no {}", path.display()),
        None => format!("{DRIVERS} names no folder"),
    };
    skip(&format!("driver-{generation}"), &format!("driver {generation}"), &reason);
    None
}

/// What holds for every generation that the crate can use.
fn usable(generation: u32, test: &str) {
    let Some(path) = library_of(generation) else { return };
    in_own_process(test, || {
        let functions = text::functions(&text::read());
        let library = Library::open(&path);
        let version = library.version();
        let summary = [
            complete(library, version, &functions),
            look_ups_agree(library, version, &functions),
            error_names_agree(library),
        ];
        // These libraries would refuse the version of a kernel that drives a GPU.
        if Path::new("/dev/nvidiactl").exists() {
            let what = format!("what driver {generation} says without a device");
            skip("no-driver", &what, "this machine's kernel drives a GPU");
        } else {
            let error = load(&path).expect_err("there is no device");
            assert!(matches!(error, Error::NoDevice { .. }), "{error}");
        }
        report(generation, version, &summary.join("; "));
    });
}

/// Runs `body` in a process of its own, and passes its report on.
fn in_own_process(test: &str, body: impl FnOnce()) {
    let Some(output) = run_again(test, body) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test}: {}\n{said}{errors}", output.status);
    pass_on(&output.stderr);
    if let Some((_, report)) = said.split_once(REPORT) {
        say(report.lines().next().unwrap_or_default());
    }
}

const REPORT: &str = "report: ";

fn report(generation: u32, version: i32, summary: &str) {
    let (major, minor) = (version / 1000, version % 1000 / 10);
    println!("{REPORT}driver {generation}, CUDA {major}.{minor}: {summary}");
}

/// Every function of the driver's CUDA version is there, or listed with the reason.
fn complete(library: Library, version: i32, functions: &[Function]) -> String {
    let missing = Missing::read();
    let (mut present, mut listed, mut newer) = (0, 0, 0);
    let mut failures = Vec::new();
    for function in functions {
        let there = library.symbol(&function.symbol).is_some();
        let entry = missing.of(version, &function.symbol);
        match (there, entry) {
            _ if function.introduced > version => newer += 1,
            (true, None) => present += 1,
            (false, Some(_)) => listed += 1,
            (false, None) => failures
                .push(format!("{} of CUDA {} is missing", function.symbol, function.introduced)),
            (true, Some(line)) => failures.push(format!(
                "{} is there: the entry in line {line} of missing.txt is stray",
                function.symbol
            )),
        }
    }
    assert!(failures.is_empty(), "CUDA {version}:\n{}", failures.join("\n"));
    assert!(present > 300, "{present} functions");
    format!("{present} functions there, {listed} listed as missing, {newer} newer")
}

/// `cuGetProcAddress` with the version of the function's type finds what `dlsym` finds under the
/// constant's symbol.
fn look_ups_agree(library: Library, version: i32, functions: &[Function]) -> String {
    let (mut alike, mut failures) = (0, Vec::new());
    for function in functions.iter().filter(|function| function.introduced <= version) {
        let by_symbol = library.symbol(&function.symbol);
        match library.look_up(&function.name, function.introduced, function.per_thread) {
            LookUp::Impossible => return "no versioned look-up".to_owned(),
            LookUp::Found(found) if found == by_symbol => alike += 1,
            LookUp::Found(found) => failures.push(format!(
                "{} ({} at {}): {found:?}, and by its symbol {by_symbol:?}",
                function.constant, function.name, function.introduced
            )),
        }
    }
    assert!(failures.is_empty(), "CUDA {version}:\n{}", failures.join("\n"));
    format!("{alike} look-ups as dlsym")
}

/// Every code that the driver knows has the same name in the crate's table.
fn error_names_agree(library: Library) -> String {
    let mut known = 0;
    for code in (0..5000).map(CUresult).chain([CUresult(777_777), CUresult(u32::MAX)]) {
        let name = library.error_name(code);
        assert_eq!(name.is_some(), library.error_text(code).is_some(), "{}", code.0);
        if let Some(name) = name {
            assert_eq!(code.name(), Some(&*name), "{}", code.0);
            known += 1;
        }
    }
    assert!(known > 70, "{known} codes");
    format!("{known} error names alike")
}

#[test]
fn driver_418_alone_lacks_a_library() {
    let Some(path) = library_of(418) else { return };
    in_own_process("driver_generations::driver_418_alone_lacks_a_library", || {
        let error = load(&path).expect_err("a dependency is missing");
        let Error::LibraryNotFound { tried } = &error else { panic!("{error:?}") };
        assert_eq!(tried.len(), 1);
        assert_eq!(tried[0].library, path);
        assert!(tried[0].reason.contains("libnvidia-fatbinaryloader.so.418"), "{error}");
        assert!(error.to_string().contains(&tried[0].reason), "{error}");
    });
}

#[test]
fn driver_418_with_its_companion_is_too_old() {
    let Some(path) = library_of(418) else { return };
    let folder = path.parent().expect("the library lies in a folder");
    let companion = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry can be read").path())
        .find(|path| path.to_string_lossy().contains("libnvidia-fatbinaryloader.so"))
        .expect("the companion lies beside the library");
    in_own_process("driver_generations::driver_418_with_its_companion_is_too_old", || {
        // Loaded before, it is found by its name, as it would be on LD_LIBRARY_PATH.
        Library::open(&companion);
        let error = load(&path).expect_err("the driver is too old");
        let Error::DriverTooOld { symbol, driver, introduced, .. } = &error else {
            panic!("{error:?}")
        };
        let expected = ("cuDevicePrimaryCtxRelease_v2", 10_010, 11_000);
        assert_eq!((&**symbol, driver.raw(), introduced.raw()), expected);
        let library = Library::open(&path);
        let summary = error_names_agree(library);
        report(418, library.version(), &format!("too old; {summary}"));
    });
}

macro_rules! usable {
    ($($test:ident: $generation:literal,)*) => {
        $(
            #[test]
            fn $test() {
                usable($generation, concat!("driver_generations::", stringify!($test)));
            }
        )*
    };
}

usable! {
    driver_450: 450,
    driver_460: 460,
    driver_470: 470,
    driver_535: 535,
    driver_550: 550,
    driver_555: 555,
}
