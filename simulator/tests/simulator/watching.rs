//! Looking behind the scene: the log of calls, the counters, the knobs, the private copies.

use crate::driver::{Library, functions_of_13_0, in_forked_child};
use simulated_libcuda::Simulator;

#[test]
fn every_function_is_counted_under_its_own_name() {
    let simulator = Simulator::start(1);
    let library = Library::of(&simulator);
    simulator.record_calls(true);
    for entry in functions_of_13_0() {
        library.call(entry.symbol, &[0; 5]);
        assert_eq!(simulator.count(entry.symbol), 1, "{}", entry.symbol);
    }
    assert_eq!(simulator.total_calls(), functions_of_13_0().count() as u64);
    for (entry, call) in functions_of_13_0().zip(simulator.calls()) {
        assert_eq!(entry.symbol, call.function);
    }
    simulator.clear_calls();
    simulator.record_calls(false);
    library.count();
    assert_eq!(simulator.calls(), []);
}

#[test]
fn a_child_that_drops_the_simulator_leaves_the_parents_files_alone() {
    let simulator = Simulator::start(1);
    let path = simulator.path().to_owned();
    let copy = std::ptr::from_ref(&simulator);
    let code = in_forked_child(|| {
        // SAFETY: the child owns its copy of the process's memory, and leaves through _exit before
        // the original would be dropped again.
        drop(unsafe { copy.read() });
        0
    });
    assert_eq!((code, path.exists()), (0, true));
    drop(simulator);
    assert!(!path.parent().unwrap().exists());
}
