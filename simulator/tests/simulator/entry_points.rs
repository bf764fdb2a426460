//! Every exported function, in each state of the process.

use simulated_libcuda::{Knob, Simulator};

use crate::driver::{Library, POISON, POISONED, functions_of_13_0, out, started};

/// Functions that work before `cuInit` and after the end.
const ALWAYS: [&str; 6] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuGetProcAddress",
    "cuGetProcAddress_v2",
];

/// Every other function, if it is not for other processes, is refused with this code and writes nothing.
fn all_are_refused(library: Library, code: u32) {
    for symbol in functions_of_13_0().map(|entry| entry.symbol) {
        if ALWAYS.contains(&symbol) || symbol.starts_with("cuCheckpointProcess") {
            continue;
        }
        let mut outputs = [[POISONED; 8]; 5];
        let words: Vec<usize> = outputs.iter_mut().map(out).collect();
        assert_eq!(library.call(symbol, &words), code, "{symbol}");
        assert_eq!(outputs, [[POISONED; 8]; 5], "{symbol}");
    }
}

#[test]
fn before_init_everything_returns_3_and_after_the_end_4() {
    let simulator = Simulator::start(2);
    let library = Library::of(&simulator);
    all_are_refused(library, 3);
    simulator.retain_by_others(0, 1);
    simulator.deinitialize();
    assert_eq!(library.init(), 4);
    all_are_refused(library, 4);
    assert!(!simulator.is_initialized());
}

#[test]
fn every_function_of_the_stub_returns_34() {
    let simulator = Simulator::builder().stub().start();
    let library = Library::of(&simulator);
    for entry in functions_of_13_0() {
        assert_eq!(library.call(entry.symbol, &[0; 5]), 34, "{}", entry.symbol);
    }
}

#[test]
fn no_null_pointer_and_no_unknown_handle_crashes() {
    let (simulator, library) = started(1);
    simulator.set_knob(Knob::HandlesAreOrdinals, 1); // so that 0 is a device
    for entry in functions_of_13_0() {
        let code = library.call(entry.symbol, &[0; 6]);
        assert_eq!(code == 801, !entry.is_modelled, "{} returns {code}", entry.symbol);
    }
    library.set_current(library.retain(0).1);
    for (symbol, code) in [
        ("cuCtxSetCurrent", 201),
        ("cuCtxDestroy_v2", 201),
        ("cuGreenCtxDestroy", 201),
        ("cuStreamSynchronize", 400),
        ("cuStreamDestroy_v2", 400),
        ("cuEventRecord", 400),
        ("cuEventDestroy_v2", 400),
    ] {
        for handle in [3, 0x40, usize::MAX, usize::MAX / 2, POISON as usize] {
            assert_eq!(library.call(symbol, &[handle, 0]), code, "{symbol} {handle:#x}");
        }
    }
}

#[test]
fn a_context_with_execution_affinity_is_not_modelled() {
    let (_simulator, library) = started(1);
    let (mut context, mut affinity) = (0_usize, [0_u64; 2]);
    let words = [out(&mut context), out(&mut affinity), 1, 0, library.device(0)];
    assert_eq!(library.call("cuCtxCreate_v3", &words), 801);
}
