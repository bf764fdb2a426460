//! How functions are found, by name, version and default stream, and what old drivers lack.

use std::ptr;

use crate::driver::{Library, POISON, call_address, functions_of_13_0, out, started};
use simulated_libcuda::{Fault, Simulator, hide_symbols};

const LEGACY: u64 = 1;
const PER_THREAD: u64 = 2;

/// The name of the shared function whose counterpart this is, for the default stream of each thread.
fn counterpart_of(symbol: &str) -> Option<&str> {
    symbol.strip_suffix("_ptsz").or_else(|| symbol.strip_suffix("_ptds"))
}

/// The name that `cuGetProcAddress` knows a function by.
fn base(symbol: &str) -> &str {
    let shared = counterpart_of(symbol).unwrap_or(symbol);
    shared.split("_v").next().unwrap()
}

#[test]
fn the_flag_for_the_default_stream_of_each_thread_finds_functions_of_their_own() {
    let (_simulator, library) = started(1);
    for entry in functions_of_13_0() {
        let Some(shared) = counterpart_of(entry.symbol) else { continue };
        let (own, shared) = (library.address(entry.symbol), library.address(shared));
        assert!(!own.is_null() && !shared.is_null() && own != shared, "{}", entry.symbol);
        let version = i32::try_from(entry.since).unwrap();
        let find = |flags| library.proc_address(base(entry.symbol), version, flags);
        assert_eq!(find(PER_THREAD), (0, own, 0), "{}", entry.symbol);
        for flags in [0, LEGACY] {
            assert_eq!(find(flags), (0, shared, 0), "{}", entry.symbol);
        }
        assert_eq!(library.proc_address(entry.symbol, 13000, 0).2, 1, "by its base only");
    }
}

#[test]
fn an_old_driver_lacks_what_came_later() {
    for entry in functions_of_13_0().filter(|entry| entry.symbol.starts_with("cuDeviceP")) {
        for (version, is_there) in [(entry.since, true), (entry.since - 10, false)] {
            let simulator = Simulator::builder().driver_version(version).start();
            let library = Library::of(&simulator);
            let mut returned = 0_u32;
            assert_eq!(library.call("cuDriverGetVersion", &[out(&mut returned)]), 0);
            let found = !library.address(entry.symbol).is_null();
            assert_eq!((returned, found), (version, is_there), "{}", entry.symbol);
        }
    }
}

#[test]
fn hidden_symbols_are_found_by_nobody_and_the_rest_by_everybody() {
    let newer = "cuDevicePrimaryCtxRelease_v2";
    for hidden in ["cuCtxGetId", "cuMemAlloc", newer, "cuStreamQuery_ptsz", "cuModuleLoad"] {
        let simulator = Simulator::builder().without(&[hidden]).start();
        let library = Library::of(&simulator);
        for entry in functions_of_13_0() {
            let found = !library.address(entry.symbol).is_null();
            assert_eq!(found, entry.symbol != hidden, "{} without {hidden}", entry.symbol);
        }
        let since = functions_of_13_0().find(|entry| entry.symbol == hidden).unwrap().since;
        let flags = if counterpart_of(hidden).is_some() { PER_THREAD } else { LEGACY };
        let found = library.proc_address(base(hidden), i32::try_from(since).unwrap(), flags);
        let left = match hidden {
            "cuStreamQuery_ptsz" => (0, library.address("cuStreamQuery"), 0),
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
    let (_, found, _) = library.proc_address("cuModuleLoadData", 13000, 0);
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
