//! NVIDIA's own libraries of seven driver generations, which load on a machine without a GPU.
//!
//! ```text
//! .ci/fetch drivers
//! CUDA_PRIMARY_CONTEXT_TEST_DRIVERS=$PWD/target/ci/drivers cargo test --test bindings driver_generations::
//! ```
//!
//! On each: what the crate makes of it, whether every function is there that the driver's CUDA
//! version should have, and whether both ways of looking one up agree. (The contract compares the error
//! names.) A generation that is not in the folder is skipped with a reason, and fails if
//! `CUDA_PRIMARY_CONTEXT_REQUIRE` names it (`driver-535`).

use std::env;
use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};

use cuda_primary_context::Error;
use cuda_primary_context::sys::CUdriverProcAddress_flags as Flags;

use crate::support::driver_library::{Library, Returned, call};
use crate::support::load;
use crate::support::processes::{in_own_process, in_process_of};
use crate::support::skips::skip;
use crate::text::{self, Function};

const DRIVERS: &str = "CUDA_PRIMARY_CONTEXT_TEST_DRIVERS";

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
    in_process_of(test, || {
        let functions = text::functions(&text::read());
        let library = Library::open(&path);
        functions_are_found(library, version(library), &functions);
        // These libraries would refuse the version of a kernel that drives a GPU.
        if Path::new("/proc/driver/nvidia/version").exists() {
            let what = format!("what driver {generation} says without a device");
            skip("no-driver", &what, "this machine's kernel drives a GPU");
        } else {
            let error = load(&path).expect_err("there is no device");
            assert!(matches!(error, Error::NoDevice { .. }), "{error}");
        }
    });
}

/// Functions that a driver of this version lacks, although they came with it or before. Driver 450 has this
/// one on Windows alone; from 460 on the Linux library exports it, too.
const MISSING: [(i32, &str); 1] = [(11_000, "cuDeviceGetLuid")];

/// Every function of the driver's CUDA version is there, or listed with the reason; and `cuGetProcAddress` with
/// the version of the function's type finds what `dlsym` finds under the constant's symbol.
fn functions_are_found(library: Library, version: i32, functions: &[Function]) {
    let mut present = 0;
    let mut failures = Vec::new();
    for function in functions.iter().filter(|function| function.introduced <= version) {
        let Function { constant, name, symbol: text, introduced, .. } = function;
        let by_symbol = symbol(library, text);
        present += usize::from(by_symbol.is_some());
        if by_symbol.is_some() == MISSING.contains(&(version, &**text)) {
            failures
                .push(format!("{text} of CUDA {introduced} is missing, or is there and listed"));
        }
        let looked_up = look_up(library, function);
        if looked_up.is_some_and(|found| found != by_symbol) {
            failures.push(format!(
                "{constant} ({name} at {introduced}): {looked_up:?}, and by its symbol {by_symbol:?}"
            ));
        }
    }
    assert!(failures.is_empty(), "CUDA {version}:\n{}", failures.join("\n"));
    assert!(present > 300, "{present} functions");
}

fn version(library: Library) -> i32 {
    let mut version = 0;
    call!(library, cuDriverGetVersion_v2020(&mut version));
    version
}

fn symbol(library: Library, name: &str) -> Option<NonNull<c_void>> {
    library.symbol(&CString::new(name).expect("a name without a NUL byte"))
}

/// What the driver's own look-up returns; `None` if the driver has none.
fn look_up(library: Library, function: &Function) -> Option<Option<NonNull<c_void>>> {
    let name = CString::new(&*function.name).expect("a name without a NUL byte");
    let flags = match function.per_thread {
        true => Flags::CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
        false => Flags::CU_GET_PROC_ADDRESS_LEGACY_STREAM,
    };
    let (mut address, version) = (ptr::null_mut(), function.introduced);
    let (name, flags) = (name.as_ptr(), flags.0.into());
    match call!(library, cuGetProcAddress_v11030(name, &mut address, version, flags)) {
        Returned::Absent => None,
        Returned::Code(code) => {
            assert!(code.is_success() || address.is_null(), "{code}");
            Some(NonNull::new(address))
        }
    }
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
    in_own_process(|| {
        // Loaded before, it is found by its name, as it would be on LD_LIBRARY_PATH.
        Library::open(&companion);
        let error = load(&path).expect_err("the driver is too old");
        let Error::DriverTooOld { symbol, driver, introduced, .. } = &error else {
            panic!("{error:?}")
        };
        let expected = ("cuDevicePrimaryCtxRelease_v2", 10_010, 11_000);
        assert_eq!((&**symbol, driver.raw(), introduced.raw()), expected);
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
