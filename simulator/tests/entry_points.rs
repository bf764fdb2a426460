//! Every exported function: what it answers in each state of the process and to senseless arguments.

mod driver;

use std::collections::HashMap;

use driver::{Library, POISON, POISONED, functions_of_13_0, out, started};
use simulated_libcuda::{Knob, Simulator};

/// Functions that answer before `cuInit` and after the end.
const ALWAYS: [&str; 6] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuGetProcAddress",
    "cuGetProcAddress_v2",
];

/// Functions for other processes, which need no `cuInit` and never refuse for want of it.
fn is_for_controllers(symbol: &str) -> bool {
    symbol.starts_with("cuCheckpointProcess")
}

fn others() -> impl Iterator<Item = &'static str> {
    let refused = |symbol: &&str| !ALWAYS.contains(symbol) && !is_for_controllers(symbol);
    functions_of_13_0().map(|entry| entry.symbol).filter(refused)
}

fn modelled() -> impl Iterator<Item = &'static str> {
    functions_of_13_0().filter(|entry| entry.is_modelled).map(|entry| entry.symbol)
}

#[test]
fn before_init_everything_answers_3_and_touches_no_output() {
    let simulator = Simulator::start(2);
    let library = Library::of(&simulator);
    for symbol in others() {
        let mut outputs = [[POISONED; 8]; 5];
        let words: Vec<usize> = outputs.iter_mut().map(out).collect();
        assert_eq!(library.call(symbol, &words), 3, "{symbol}");
        assert_eq!(outputs, [[POISONED; 8]; 5], "{symbol}");
    }
    let mut version = 0;
    assert_eq!((library.call("cuDriverGetVersion", &[out(&mut version)]), version), (0, 13000));
    assert!(!simulator.is_initialized());
}

#[test]
fn after_the_end_everything_answers_4() {
    let (simulator, library) = started(2);
    simulator.retain_by_others(0, 1);
    simulator.deinitialize();
    for symbol in others().chain(["cuInit"]) {
        let words = if symbol == "cuInit" { [0; 5] } else { [POISON as usize; 5] };
        assert_eq!(library.call(symbol, &words), 4, "{symbol}");
    }
    assert_eq!(library.error_name(4), (0, Some("CUDA_ERROR_DEINITIALIZED".to_owned())));
    assert!(!simulator.is_initialized());
}

#[test]
fn the_stub_answers_34_to_everything() {
    let simulator = Simulator::builder().stub().start();
    let library = Library::of(&simulator);
    for entry in functions_of_13_0() {
        assert_eq!(library.call(entry.symbol, &[0; 5]), 34, "{}", entry.symbol);
    }
}

#[test]
fn init_refuses_flags_at_any_time_and_may_be_repeated() {
    let (_simulator, library) = started(1);
    for flags in [1, 2, 0xffff_ffff] {
        assert_eq!(library.call("cuInit", &[flags]), 1);
    }
    assert_eq!(library.init(), 0);
    let fresh = Simulator::start(0);
    let library = Library::of(&fresh);
    assert_eq!(library.call("cuInit", &[1]), 1);
    for _ in 0..3 {
        assert_eq!(library.init(), 100);
        assert_eq!(library.count(), (3, POISONED));
    }
}

/// What each function answers to nothing but zeros, with an initialised driver of one device and no
/// context current.
fn answers_to_zeros() -> HashMap<&'static str, u32> {
    let mut answers = HashMap::new();
    let mut set = |answer: u32, symbols: &[&'static str]| {
        for symbol in symbols {
            assert!(answers.insert(*symbol, answer).is_none(), "{symbol} twice");
        }
    };
    // Zeros make sense: device 0, no flags, success's own name, the empty stack.
    set(0, &["cuInit", "cuDevicePrimaryCtxReset", "cuDevicePrimaryCtxReset_v2"]);
    set(0, &["cuDevicePrimaryCtxSetFlags", "cuDevicePrimaryCtxSetFlags_v2", "cuCtxSetCurrent"]);
    // No reference to release, no such context, or none current.
    set(0, &["cuDevicePrimaryCtxRelease"]);
    set(201, &["cuDevicePrimaryCtxRelease_v2"]);
    set(201, &["cuCtxDestroy", "cuCtxDestroy_v2", "cuCtxPushCurrent", "cuCtxPushCurrent_v2"]);
    set(201, &["cuCtxPopCurrent", "cuCtxPopCurrent_v2", "cuCtxSynchronize"]);
    set(201, &["cuCtxSynchronize_v2", "cuCtxGetStreamPriorityRange", "cuMemFree_v2"]);
    set(201, &["cuMemFreeHost", "cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2", "cuMemcpyDtoD_v2"]);
    set(201, &["cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuMemcpyDtoDAsync_v2"]);
    set(201, &["cuMemsetD8_v2", "cuMemsetD8Async"]);
    set(201, &["cuStreamSynchronize", "cuStreamQuery", "cuStreamWaitEvent"]);
    // No such object.
    set(400, &["cuStreamDestroy", "cuStreamDestroy_v2", "cuEventRecord", "cuEventRecordWithFlags"]);
    set(201, &["cuGreenCtxDestroy"]);
    // No such process.
    set(304, &["cuCheckpointProcessLock", "cuCheckpointProcessCheckpoint"]);
    set(304, &["cuCheckpointProcessRestore", "cuCheckpointProcessUnlock"]);
    set(400, &["cuEventQuery", "cuEventSynchronize", "cuEventDestroy", "cuEventDestroy_v2"]);
    // As the function for the default stream that all threads share.
    for entry in functions_of_13_0() {
        let shared = entry.symbol.strip_suffix("_ptsz").or(entry.symbol.strip_suffix("_ptds"));
        if let Some(answer) = shared.and_then(|shared| answers.get(shared)) {
            answers.insert(entry.symbol, *answer);
        }
    }
    // An output that must not be null, or a function that is not modelled.
    for entry in functions_of_13_0() {
        let answer = if entry.is_modelled { 1 } else { 801 };
        answers.entry(entry.symbol).or_insert(answer);
    }
    answers
}

#[test]
fn null_pointers_are_refused_with_the_documented_code() {
    let answers = answers_to_zeros();
    assert_eq!(answers.len(), functions_of_13_0().count(), "a name in the table is no function");
    let (simulator, library) = started(1);
    simulator.set_knob(Knob::HandlesAreOrdinals, 1); // so that 0 is a device
    for entry in functions_of_13_0() {
        let answer = library.call(entry.symbol, &[0; 6]);
        assert_eq!(answer, answers[entry.symbol], "{}", entry.symbol);
    }
}

#[test]
fn senseless_handles_crash_nothing() {
    let (_simulator, library) = started(1);
    let (_, context) = library.retain(0);
    library.set_current(context);
    let takes_a_handle_first = |symbol: &str| {
        (symbol.starts_with("cuCtx")
            || symbol.starts_with("cuStream")
            || symbol.starts_with("cuEvent"))
            && ![
                "Create",
                "GetCurrent",
                "PopCurrent",
                "GetDevice",
                "GetFlags",
                "Elapsed",
                "Range",
                "Green",
            ]
            .iter()
            .any(|part| symbol.contains(part))
            || symbol.starts_with("cuStreamGetDevice")
            || symbol.starts_with("cuStreamGetFlags")
            || symbol == "cuGreenCtxDestroy"
    };
    let mut tried = 0;
    for symbol in modelled().filter(|symbol| takes_a_handle_first(symbol)) {
        if symbol == "cuCtxSynchronize" {
            continue;
        }
        for handle in [3, 0x40, usize::MAX, usize::MAX / 2, context as usize + 1, POISON as usize] {
            let mut outputs = [[0_u64; 2]; 2];
            let [first, second] = outputs.each_mut().map(out);
            let words = match symbol {
                _ if symbol.starts_with("cuEventRecord") => [handle, 0, 0],
                _ if symbol.starts_with("cuStreamWaitEvent") => [handle, 0, 0],
                _ => [handle, first, second],
            };
            let answer = library.call(symbol, &words);
            let is_context = symbol.starts_with("cuCtx") || symbol.starts_with("cuGreen");
            let expected = if is_context { 201 } else { 400 };
            assert_eq!(answer, expected, "{symbol} {handle:#x}");
        }
        tried += 1;
    }
    assert_eq!(tried, 37);
}
