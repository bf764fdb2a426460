//! How functions are found, by name and version, and what old drivers lack.

use std::ptr;

use crate::driver::{Library, functions_of_13_0};
use simulated_libcuda::{Simulator, hide_symbols};

/// The name that `cuGetProcAddress` knows a function by.
fn base(symbol: &str) -> &str {
    symbol.split("_v").next().unwrap()
}

#[test]
fn hidden_symbols_are_found_by_nobody_and_the_rest_by_everybody() {
    let newer = "cuDevicePrimaryCtxRelease_v2";
    for hidden in ["cuCtxGetId", "cuMemAlloc", newer, "cuModuleLoad"] {
        let simulator = Simulator::builder().without(&[hidden]).start();
        let library = Library::of(&simulator);
        for entry in functions_of_13_0() {
            let found = !library.address(entry.symbol).is_null();
            assert_eq!(found, entry.symbol != hidden, "{} without {hidden}", entry.symbol);
        }
        let since = functions_of_13_0().find(|entry| entry.symbol == hidden).unwrap().since;
        let found = library.proc_address(base(hidden), i32::try_from(since).unwrap());
        let left = match hidden {
            _ if hidden == newer => (0, library.address("cuDevicePrimaryCtxRelease"), 0),
            "cuMemAlloc" => (0, ptr::null_mut(), 2), // there is a newer one
            _ => (0, ptr::null_mut(), 1),
        };
        assert_eq!(found, left, "{hidden}");
    }
}

#[test]
fn only_what_is_there_can_be_hidden() {
    assert!(hide_symbols(&mut [0x7f; 300], &["cuInit"]).is_err());
    let mut library = std::fs::read(Simulator::start(1).path()).unwrap();
    let complaint = hide_symbols(&mut library, &["cuInit", "cuNothing"]).unwrap_err();
    assert!(complaint.contains("cuNothing"), "{complaint}");
}
