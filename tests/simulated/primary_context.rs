//! One retain: how it is taken, given back, given away, and what a failure leaves.

use crate::support::{Machine, machine};
use cuda_primary_context::PrimaryContext;
use cuda_primary_context::sys::{CUcontext, CUctx_flags, CUresult, functions};
use simulated_libcuda::Fault;

const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";

#[test]
fn retain_makes_nothing_current_and_drop_takes_nothing_off() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    machine.simulator.set_current(Some(0));
    let before = machine.simulator.stack();
    let calls = machine.calls_of(|| drop(PrimaryContext::retain(machine.device(1)).unwrap()));
    assert_eq!(calls, ["cuDevicePrimaryCtxRetain@1", "cuDevicePrimaryCtxRelease_v2@1"]);
    assert_eq!(machine.simulator.stack(), before);
}

#[test]
fn second_generation_of_entry_points_is_called() {
    let machine = machine(1);
    PrimaryContext::retain(machine.device(0)).unwrap().release().unwrap();
    machine.device(0).set_primary_context_flags(CUctx_flags(4)).unwrap();
    // SAFETY: nothing uses the simulated context.
    unsafe { machine.device(0).reset_primary_context() }.unwrap();
    for function in ["Release", "SetFlags", "Reset"] {
        let count =
            |suffix| machine.simulator.count(&format!("cuDevicePrimaryCtx{function}{suffix}"));
        assert_eq!((count("_v2"), count("")), (1, 0), "{function}");
    }
}

#[test]
fn flags_and_state_are_read_back() {
    let machine = machine(2);
    let device = machine.device(1);
    let state = device.primary_context_state().unwrap();
    assert!(!state.active);
    device.set_primary_context_flags(CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC).unwrap();
    let context = PrimaryContext::retain(device).unwrap();
    let state = device.primary_context_state().unwrap();
    assert!(state.active);
    assert_eq!(state.flags, CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC);
    assert_eq!(machine.simulator.flags(1), state.flags.0);
    drop(context);
}

#[test]
fn refused_flags_are_an_error() {
    let machine = machine(1);
    let error = machine.device(0).set_primary_context_flags(CUctx_flags(0x4000_0000)).unwrap_err();
    assert_eq!(error.call(), Some("cuDevicePrimaryCtxSetFlags_v2"));
    assert_eq!(error.code(), Some(CUresult::CUDA_ERROR_INVALID_VALUE));
}

/// The second failure hands the same handle back, and giving up counts one reference.
#[test]
fn second_failed_release_is_as_the_first() {
    let machine = machine(1);
    machine.stray(&[1]);
    let context = PrimaryContext::retain(machine.device(0)).unwrap();
    machine.simulator.inject(Fault::of(RELEASE, 1).code(719).refused().from_then_on());
    let mut context = Some(context);
    for attempt in 1..=3 {
        let failed = context.take().expect("it is still owed").release().unwrap_err();
        assert_eq!(failed.error().code(), Some(CUresult(719)));
        assert_eq!(machine.simulator.count(RELEASE), attempt);
        assert_eq!((machine.device(0).handles(), machine.driver.unreleased()), (Ok(1), 0));
        context = failed.into_parts().1;
    }
    drop(context.unwrap().release());
    assert_eq!((machine.device(0).handles(), machine.driver.unreleased()), (Ok(0), 1));
    machine.simulator.clear_faults();
    // A later handle owes its own reference alone.
    PrimaryContext::retain(machine.device(0)).unwrap().release().unwrap();
    assert_eq!((machine.references()[0], machine.driver.unreleased()), (2, 1));
}

#[test]
fn error_of_a_release_is_an_error_with_its_source() {
    let machine = machine(1);
    let context = PrimaryContext::retain(machine.device(0)).unwrap();
    machine.simulator.inject(Fault::of(RELEASE, 1).code(999).refused().once());
    let failed: Box<dyn std::error::Error> = Box::new(context.release().unwrap_err());
    assert_eq!(failed.to_string(), "the primary context was not released");
    let source = failed.source().expect("it has a source").to_string();
    assert_eq!(
        source,
        "cuDevicePrimaryCtxRelease_v2 on device 0 returned CUDA_ERROR_UNKNOWN (999)"
    );
    assert_eq!(format!("{failed:?}"), format!("{failed}: {source}"));
}

/// The release took place and reported an earlier failure: the context is inactive, so that nobody
/// holds a reference, and no handle is given back that would take somebody else's later.
#[test]
fn handle_of_a_context_that_is_gone_does_not_come_back() {
    let machine = machine(1);
    for code in [201, 700] {
        let context = PrimaryContext::retain(machine.device(0)).unwrap();
        machine.simulator.inject(Fault::of(RELEASE, 1).code(code).done_then_reported().once());
        let failed = context.release().unwrap_err();
        assert!(failed.handle().is_none());
        let text = "the handle's reference is gone, although a driver call failed";
        assert_eq!(failed.to_string(), text);
        assert_eq!(failed.into_parts().0.code(), Some(CUresult(code)));
        assert_eq!(machine.device(0).handles(), Ok(0));
        assert_eq!((machine.references()[0], machine.driver.unreleased()), (0, 0));
    }
}

#[test]
fn drop_counts_what_it_could_not_give_back() {
    let machine = machine(1);
    // Another reference keeps the context active: what a failed release leaves can be told apart.
    machine.stray(&[1]);
    for (code, counted) in [(3, 0), (4, 0), (201, 0), (999, 1), (777_777, 2)] {
        let context = PrimaryContext::retain(machine.device(0)).unwrap();
        machine.simulator.inject(Fault::of(RELEASE, 1).code(code).refused().once());
        drop(context);
        machine.simulator.clear_faults();
        assert_eq!(machine.driver.unreleased(), counted, "after {code}");
        assert_eq!(machine.device(0).handles(), Ok(0));
    }
}

#[test]
fn reference_given_away_is_somebody_elses() {
    let machine = machine(2);
    let raw = PrimaryContext::retain(machine.device(0)).unwrap().into_raw();
    assert_eq!((machine.references()[0], machine.device(0).handles()), (1, Ok(0)));
    // SAFETY: the reference was just given away, and nobody else has it.
    let again = unsafe { PrimaryContext::from_raw(machine.device(0), raw) }.unwrap();
    assert_eq!(machine.device(0).handles(), Ok(1));
    assert_eq!(again.as_raw(), raw);
    drop(again);
    assert_eq!(machine.references(), [0, 0]);
}

#[test]
fn context_is_bound_to_a_thread_until_another_is() {
    let machine = machine(2);
    let contexts = [0, 1].map(|ordinal| PrimaryContext::retain(machine.device(ordinal)).unwrap());
    for context in &contexts {
        let calls = machine.calls_of(|| context.bind_to_thread().unwrap());
        assert_eq!(calls, [format!("cuCtxSetCurrent@{}", context.device().ordinal())]);
        let stack = machine.simulator.stack();
        assert_eq!((stack.len(), stack[0].device), (1, context.device().ordinal()));
    }
    machine.simulator.inject(Fault::of("cuCtxSetCurrent", 1).code(719).refused().once());
    let error = contexts[0].bind_to_thread().unwrap_err();
    assert_eq!((error.call(), error.device()), (Some("cuCtxSetCurrent"), Some(0)));
    drop(contexts);
    assert_eq!(machine.references(), [0, 0]);
}

fn set_current(machine: &Machine, context: CUcontext) {
    let set_current = machine.driver.function(functions::cuCtxSetCurrent_v4000).unwrap();
    // SAFETY: the handle is that of a living context.
    assert!(unsafe { set_current(context) }.is_success());
}

/// The devices whose contexts are on the thread's stack, from the bottom.
fn on_the_stack(machine: &Machine) -> Vec<u32> {
    machine.simulator.stack().iter().map(|entry| entry.device).collect()
}

#[test]
fn context_made_current_inside_a_scope_is_left_there() {
    for by_drop in [false, true] {
        let machine = machine(2);
        let first = PrimaryContext::retain(machine.device(0)).unwrap();
        let second = PrimaryContext::retain(machine.device(1)).unwrap();
        let scope = first.make_current().unwrap();
        set_current(&machine, second.as_raw());
        match by_drop {
            true => drop(scope),
            false => assert_eq!(scope.leave().unwrap_err().kind(), "not_current"),
        }
        assert_eq!(on_the_stack(&machine), [1]);
    }
}
