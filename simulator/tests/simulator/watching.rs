//! Looking behind the scene: the log of calls, the counters, the knobs, the private copies.

use crate::driver::{Library, functions_of_13_0, in_forked_child, started};
use simulated_libcuda::Simulator;

#[test]
fn calls_are_recorded_while_somebody_wants_it() {
    let (simulator, library) = started(2);
    assert_eq!(simulator.calls(), [], "off at first");
    simulator.record_calls(true);
    library.set_current(library.retain(1).1);
    library.state(7);
    simulator.record_calls(false);
    library.count();
    let calls = simulator.calls();
    let recorded: Vec<_> =
        calls.iter().map(|call| (call.function, call.device, call.code)).collect();
    assert_eq!(
        recorded,
        [
            ("cuDevicePrimaryCtxRetain", Some(1), 0),
            ("cuCtxSetCurrent", Some(1), 0),
            ("cuDevicePrimaryCtxGetState", Some(7), 101),
        ]
    );
    simulator.clear_calls();
    assert_eq!(simulator.calls(), []);
}

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
}

#[test]
fn instances_know_nothing_of_one_another() {
    let second = Simulator::start(5);
    let ((_first, one), two) = (started(1), Library::of(&second));
    assert_eq!(two.count().0, 3);
    assert_eq!(two.init(), 0);
    let (_, context) = one.retain(0);
    one.set_current(context);
    assert_eq!((one.count(), two.count()), ((0, 1), (0, 5)));
    assert!(second.stack().is_empty());
    assert_eq!(two.set_current(context), 201, "the other's handle");
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
