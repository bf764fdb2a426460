//! What becomes of the calling thread's current context in a release, on the simulator.

use crate::support::{Machine, machine, outcomes};
use cuda_primary_context::sys::{CUcontext, CUresult, functions};
use cuda_primary_context::{CurrentContextChange, Device, Outcome, PrimaryContextGuard, Report};
use simulated_libcuda::Fault;

fn released(releases: u32) -> Outcome {
    Outcome::Released { releases }
}

/// Whether the report says that the thread was on this device's context, which is destroyed.
fn is_switched(report: &Report, from: Device) -> bool {
    let change = report.current_context();
    change.kind() == "switched" && change.from() == Some(from) && change.error().is_none()
}

#[test]
fn thread_on_a_released_context_is_moved_to_the_kept_one() {
    let machine = machine(3);
    machine.stray(&[1, 0, 1]);
    machine.simulator.set_current(Some(0));
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert!(is_switched(guard.report(), machine.device(0)));
    assert!(guard.report().current_context_switched());
    let stack = machine.simulator.stack();
    assert_eq!(stack.len(), 1);
    assert_eq!((stack[0].device, stack[0].alive), (1, true));
}

#[test]
fn device_is_not_released_under_a_thread_that_cannot_be_moved() {
    for (function, code) in
        [("cuCtxGetCurrent", 999), ("cuCtxGetDevice", 999), ("cuCtxSetCurrent", 999)]
    {
        let machine = machine(2);
        machine.stray(&[1, 0]);
        machine.simulator.set_current(Some(0));
        machine.simulator.inject(Fault::of(function, 1).code(code).refused().from_then_on());
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        let Outcome::Failed { error, releases: 0, active: Some(true), .. } = &outcomes(&guard)[0]
        else {
            panic!("{function} failed, and the report says {:?}", outcomes(&guard));
        };
        assert_eq!((error.call(), error.code()), (Some(function), Some(CUresult(code))));
        let line = guard.report().devices().next().unwrap();
        let failing = line.calls().find(|call| !call.code.is_success()).expect("it is recorded");
        assert_eq!((failing.function, failing.code), (function, CUresult(code)));
        assert_eq!(machine.references(), [1, 1]);
        assert_eq!(machine.simulator.stack()[0].device, 0);
    }
}

fn current(machine: &Machine) -> CUcontext {
    let get_current = machine.driver.function(functions::cuCtxGetCurrent_v4000).unwrap();
    let mut context = std::ptr::null_mut();
    // SAFETY: the out-parameter is a handle of ours.
    let code = unsafe { get_current(&mut context) };
    assert!(code.is_success(), "{code}");
    context
}

/// An ordinary context on a stray device outlives the release of the primary one, and stays current.
#[test]
fn living_ordinary_context_is_given_back() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    let ordinary = machine.create_context(0);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0], released(1));
    assert_eq!(*guard.report().current_context(), CurrentContextChange::Unchanged);
    assert_eq!(current(&machine), ordinary);
    let calls: Vec<&str> =
        guard.report().devices().next().unwrap().calls().map(|call| call.function).collect();
    let expected = [
        "cuDevicePrimaryCtxGetState",
        "cuCtxGetCurrent",
        "cuCtxGetDevice",
        "cuCtxSetCurrent",
        "cuDevicePrimaryCtxRelease_v2",
        "cuDevicePrimaryCtxGetState",
        "cuCtxGetApiVersion",
        "cuCtxSetCurrent",
    ];
    assert_eq!(calls, expected);
}
