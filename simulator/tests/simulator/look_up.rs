//! How functions are found, by name and version, and what old drivers lack.

use std::ptr;

use crate::driver::{Library, POISON, call_address, functions_of_13_0, out, started};
use simulated_libcuda::{Fault, Simulator, hide_symbols};

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
fn what_is_not_modelled_is_there_and_refuses_by_its_name() {
    let (simulator, library) = started(1);
    simulator.record_calls(true);
    let (_, found, _) = library.proc_address("cuModuleLoadData", 13000);
    assert_eq!(found, library.address("cuModuleLoadData"));
    let mut module = POISON;
    assert_eq!(call_address(found, &[out(&mut module), 0]), 801);
    assert_eq!(module, POISON);
    let calls = simulator.calls();
    let refused = calls.iter().find(|call| call.function == "cuModuleLoadData").unwrap();
    assert_eq!((refused.code, refused.device), (801, None));
    simulator.inject(Fault::of("cuLaunchKernel", 1).code(719));
    assert_eq!(library.call("cuLaunchKernel", &[0; 6]), 719);
    assert_eq!(library.call("cuLaunchKernel", &[0; 6]), 801);
}

#[test]
fn only_what_is_there_can_be_hidden() {
    assert!(hide_symbols(&mut [0x7f; 300], &["cuInit"]).is_err());
    let mut library = std::fs::read(Simulator::start(1).path()).unwrap();
    let complaint = hide_symbols(&mut library, &["cuInit", "cuNothing"]).unwrap_err();
    assert!(complaint.contains("cuNothing"), "{complaint}");
}
