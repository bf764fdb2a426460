//! Closures that run in the middle of a client's calls.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::driver::started;
use simulated_libcuda::Fault;

const RETAIN: &str = "cuDevicePrimaryCtxRetain";
const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";

#[test]
fn its_calls_are_ordinary_calls() {
    let (simulator, library) = started(1);
    simulator.record_calls(true);
    simulator.before_call(RELEASE, 1, move || assert_eq!(library.retain(0).0, 46));
    simulator.after_call(RELEASE, 1, move || assert_eq!(library.release(0), 201));
    simulator.inject(Fault::of(RETAIN, 2).code(46));
    library.retain(0);
    assert_eq!(library.release(0), 0);
    let told: Vec<_> = simulator.calls().iter().map(|call| (call.function, call.code)).collect();
    assert_eq!(told, [(RETAIN, 0), (RETAIN, 46), (RELEASE, 0), (RELEASE, 201)]);
    assert_eq!((simulator.count(RETAIN), simulator.count(RELEASE)), (2, 2));
    assert_eq!(simulator.underflows(), 1);
}

#[test]
fn a_panic_is_kept_until_the_simulator_is_dropped() {
    let (simulator, library) = started(1);
    simulator.before_call(RETAIN, 1, || panic!("the first"));
    simulator.after_call(RETAIN, 1, || panic!("the second"));
    assert_eq!(library.retain(0).0, 0, "the call goes on");
    let told = |payload: Box<dyn std::any::Any + Send>| *payload.downcast::<&str>().unwrap();
    let raised = catch_unwind(AssertUnwindSafe(|| drop(simulator)));
    assert_eq!(told(raised.unwrap_err()), "the first");
}

#[test]
fn what_has_not_run_when_the_simulator_is_dropped_never_does() {
    let (simulator, library) = started(1);
    simulator.before_call(RETAIN, 1, || std::process::abort());
    drop(simulator);
    assert_eq!(library.retain(0).0, 0, "the copy stays");
}
