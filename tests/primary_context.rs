//! One retain: how it is taken, given back, given away, and what a failure leaves.

mod support;

use cuda_primary_context::sys::{CUcontext, CUctx_flags, CUresult, functions};
use cuda_primary_context::{Error, PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::Fault;
use support::{Machine, machine, outcomes};

const RETAIN: &str = "cuDevicePrimaryCtxRetain";
const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";

#[test]
fn handle_is_one_reference() {
    let machine = machine(2);
    let first = PrimaryContext::retain(machine.device(1)).unwrap();
    let second = PrimaryContext::retain(machine.device(1)).unwrap();
    assert_eq!(machine.references(), [0, 2]);
    assert_eq!(machine.device(1).handles(), Ok(2));
    drop(first);
    assert_eq!(machine.references(), [0, 1]);
    second.release().unwrap();
    assert_eq!(machine.references(), [0, 0]);
    assert_eq!(machine.device(1).handles(), Ok(0));
}

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

#[test]
fn failed_retain_holds_nothing() {
    let machine = machine(1);
    machine.simulator.inject(Fault::of(RETAIN, 1).code(46).refused().once());
    let error = PrimaryContext::retain(machine.device(0)).unwrap_err();
    let code = CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE;
    assert_eq!(error, Error::Driver { call: RETAIN, device: Some(0), code });
    assert_eq!(machine.references(), [0]);
    assert_eq!(machine.device(0).handles(), Ok(0));
}

#[test]
fn failed_release_hands_the_handle_back() {
    let machine = machine(1);
    let context = PrimaryContext::retain(machine.device(0)).unwrap();
    machine.simulator.inject(Fault::of(RELEASE, 1).code(999).refused().once());
    let raw = context.as_raw();
    let failed = context.release().unwrap_err();
    assert_eq!(failed.error().code(), Some(CUresult::CUDA_ERROR_UNKNOWN));
    assert_eq!(failed.handle().map(PrimaryContext::as_raw), Some(raw));
    let context = failed.into_parts().1.expect("the reference is still there");
    assert_eq!((context.device(), context.as_raw()), (machine.device(0), raw));
    assert_eq!((machine.references()[0], machine.device(0).handles()), (1, Ok(1)));
    context.release().unwrap();
    assert_eq!((machine.references()[0], machine.device(0).handles()), (0, Ok(0)));
    assert_eq!(machine.simulator.count(RELEASE), 2, "once refused, once done");
}

/// As `?` does it in a function that answers an [`Error`].
fn release(context: PrimaryContext) -> Result<(), Error> {
    Ok(context.release()?)
}

#[test]
fn giving_up_on_a_failed_release_does_not_release_again() {
    for give_up in [
        |context: PrimaryContext| drop(context.release()),
        |context| {
            let error = release(context).unwrap_err();
            assert_eq!(error.code(), Some(CUresult::CUDA_ERROR_UNKNOWN));
        },
    ] {
        let machine = machine(1);
        let context = PrimaryContext::retain(machine.device(0)).unwrap();
        machine.simulator.inject(Fault::of(RELEASE, 1).code(999).refused().once());
        give_up(context);
        assert_eq!(machine.simulator.count(RELEASE), 1);
        assert_eq!((machine.references()[0], machine.device(0).handles()), (1, Ok(0)));
        assert_eq!(machine.driver.unreleased(), 1);
    }
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
        "cuDevicePrimaryCtxRelease_v2 on device 0 answered CUDA_ERROR_UNKNOWN (999)"
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
fn retain_if_active_creates_nothing() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    let found = PrimaryContext::retain_if_active(machine.device(0)).unwrap();
    assert_eq!(machine.references(), [2, 0]);
    assert!(PrimaryContext::retain_if_active(machine.device(1)).unwrap().is_none());
    assert_eq!(machine.references(), [2, 0]);
    drop(found.unwrap());
    assert_eq!(machine.references(), [1, 0]);
}

#[test]
fn leaked_reference_is_somebody_elses() {
    let machine = machine(2);
    let raw = PrimaryContext::retain(machine.device(0)).unwrap().into_raw();
    assert_eq!((machine.references()[0], machine.device(0).handles()), (1, Ok(0)));
    // SAFETY: the reference was just given away, and nobody else has it.
    let adopted = unsafe { PrimaryContext::from_raw(machine.device(0), raw) }.unwrap();
    assert_eq!(machine.device(0).handles(), Ok(1));
    assert_eq!(adopted.as_raw(), raw);
    drop(adopted);
    assert_eq!(machine.references(), [0, 0]);
}

#[test]
fn leaked_reference_counts_as_stale() {
    let machine = machine(2);
    let _ = PrimaryContext::retain(machine.device(0)).unwrap().into_raw();
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(outcomes(&guard)[0].kind(), "released");
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

#[test]
fn scope_makes_current_and_restores() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    machine.simulator.set_current(Some(0));
    let before = machine.simulator.stack();
    let context = PrimaryContext::retain(machine.device(1)).unwrap();
    let scope = context.make_current().unwrap();
    assert_eq!(machine.simulator.stack().len(), 2);
    assert_eq!(scope.context().device(), machine.device(1));
    drop(scope);
    assert_eq!(machine.simulator.stack(), before);
    context.make_current().unwrap().leave().unwrap();
    assert_eq!(machine.simulator.stack(), before);
}

#[test]
fn scope_that_cannot_be_entered_or_left_says_so() {
    let machine = machine(1);
    let context = PrimaryContext::retain(machine.device(0)).unwrap();
    machine.simulator.inject(Fault::of("cuCtxPushCurrent_v2", 1).code(700).refused().once());
    let error = context.make_current().unwrap_err();
    assert_eq!((error.call(), error.code()), (Some("cuCtxPushCurrent_v2"), Some(CUresult(700))));
    assert!(machine.simulator.stack().is_empty());
    let scope = context.make_current().unwrap();
    machine.simulator.inject(Fault::of("cuCtxPopCurrent_v2", 1).code(700).refused().once());
    let error = scope.leave().unwrap_err();
    assert_eq!((error.call(), error.code()), (Some("cuCtxPopCurrent_v2"), Some(CUresult(700))));
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
fn scopes_dropped_out_of_order_leave_the_others_context_current() {
    let machine = machine(2);
    let (first, second) = (machine.device(0), machine.device(1));
    let first = PrimaryContext::retain(first).unwrap();
    let second = PrimaryContext::retain(second).unwrap();
    let outer = first.make_current().unwrap();
    let inner = second.make_current().unwrap();
    let error = outer.leave().unwrap_err();
    assert_eq!((error.kind(), error.device()), ("not_current", Some(0)));
    assert_eq!(on_the_stack(&machine), [0, 1], "what was popped is back");
    inner.leave().unwrap();
    assert_eq!(on_the_stack(&machine), [0], "the outer scope's context stays");
}

#[test]
fn forgotten_scope_stays_on_the_stack() {
    let machine = machine(2);
    let first = PrimaryContext::retain(machine.device(0)).unwrap();
    let second = PrimaryContext::retain(machine.device(1)).unwrap();
    let outer = first.make_current().unwrap();
    std::mem::forget(second.make_current().unwrap());
    let error = outer.leave().unwrap_err();
    assert_eq!((error.kind(), error.device()), ("not_current", Some(0)));
    assert_eq!(on_the_stack(&machine), [0, 1]);
}

#[test]
fn foreign_context_made_current_inside_a_scope_is_left_there() {
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

#[test]
fn audit_sees_everybodys_contexts_and_creates_none() {
    let machine = machine(3);
    machine.stray(&[0, 0, 1]);
    let mine = PrimaryContext::retain(machine.device(0)).unwrap();
    machine
        .simulator
        .inject(Fault::of("cuDevicePrimaryCtxGetState", 1).device(1).code(999).refused().once());
    let calls = machine.calls_of(|| {
        let contexts = machine.driver.primary_contexts();
        assert_eq!(contexts.len(), 3);
        let states: Vec<_> = contexts
            .map(|(device, state)| (device.ordinal(), state.map(|state| state.active)))
            .collect();
        let failure = Error::Driver {
            call: "cuDevicePrimaryCtxGetState",
            device: Some(1),
            code: CUresult::CUDA_ERROR_UNKNOWN,
        };
        assert_eq!(states, [(0, Ok(true)), (1, Err(failure)), (2, Ok(true))]);
    });
    assert_eq!(calls.len(), 3);
    assert_eq!(machine.references(), [1, 0, 1]);
    drop(mine);
}
