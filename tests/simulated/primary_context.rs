//! One retain: how it is taken, given back, and what a failure leaves; and the scope in which it is current.

use crate::support::{RELEASE, machine};
use cuda_primary_context::Error;
use cuda_primary_context::sys::{CUctx_flags, CUresult, functions};
use simulated_libcuda::Fault;

#[test]
fn second_generation_of_entry_points_is_called() {
    let machine = machine(1);
    machine.retain(0).release().unwrap();
    let mut flags = CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC | CUctx_flags::CU_CTX_MAP_HOST;
    flags |= CUctx_flags::CU_CTX_LMEM_RESIZE_TO_MAX;
    assert_eq!(flags | CUctx_flags::CU_CTX_MAP_HOST, flags);
    machine.device(0).set_primary_context_flags(flags).unwrap();
    assert_eq!(machine.simulator.flags(0), 4 + 8 + 16);
    let state = machine.device(0).primary_context_state().unwrap();
    let names = "CU_CTX_SCHED_BLOCKING_SYNC | CU_CTX_MAP_HOST | CU_CTX_LMEM_RESIZE_TO_MAX";
    let shown = format!("{state:?}");
    assert_eq!(shown, format!("PrimaryContextState {{ active: false, flags: {names} }}"));
    let texts = [0, 8, 0x308].map(|flags| CUctx_flags(flags).to_string());
    assert_eq!(texts, ["0", "CU_CTX_MAP_HOST", "CU_CTX_MAP_HOST | 768"]);
    // SAFETY: nothing uses the simulated context.
    unsafe { machine.device(0).reset_primary_context() }.unwrap();
    for function in ["Release", "SetFlags", "Reset"] {
        let count =
            |suffix| machine.simulator.count(&format!("cuDevicePrimaryCtx{function}{suffix}"));
        assert_eq!((count("_v2"), count("")), (1, 0), "{function}");
    }
}

#[test]
fn error_of_a_release_is_an_error_with_its_source() {
    let machine = machine(1);
    let context = machine.retain(0);
    machine.refuse(RELEASE, 999);
    let failed: Box<dyn std::error::Error> = Box::new(context.release().unwrap_err());
    assert_eq!(failed.to_string(), "the primary context was not released");
    let source = failed.source().expect("it has a source").to_string();
    assert_eq!(
        source,
        "cuDevicePrimaryCtxRelease_v2 on device 0 returned CUDA_ERROR_UNKNOWN (999)"
    );
    assert_eq!(format!("{failed:?}"), format!("{failed}: {source}"));
}

/// The driver released and reported an earlier failure. The context is inactive, so there is no reference left. A
/// handle that was given back would release somebody else's later.
#[test]
fn handle_of_a_context_that_is_gone_does_not_come_back() {
    let machine = machine(1);
    for code in [201, 700] {
        let context = machine.retain(0);
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

/// `drop_is_silent` ends a scope beneath another one.
#[test]
fn what_the_driver_refuses_at_the_end_of_a_scope_is_an_error() {
    let refused = |call| {
        let code = CUresult::CUDA_ERROR_INVALID_CONTEXT;
        Err(Error::Driver { call, device: Some(0), code })
    };
    let machine = machine(2);
    let [context, other] = [machine.retain(0), machine.retain(1)];
    // Somebody took the context off the stack.
    let scope = context.make_current().unwrap();
    machine.simulator.set_current(None);
    assert_eq!(scope.leave(), refused("cuCtxPopCurrent_v2"));
    // What is on top was destroyed while it was not, and cannot be put back.
    let scope = context.make_current().unwrap();
    let ordinary = machine.create_context(1);
    let above = other.make_current().unwrap();
    let destroy = machine.driver.function(functions::cuCtxDestroy_v4000).unwrap();
    // SAFETY: the handle is a living context of `cuCtxCreate`, and nothing uses it.
    assert!(unsafe { destroy(ordinary) }.is_success());
    above.leave().unwrap();
    assert_eq!(scope.leave(), refused("cuCtxPushCurrent_v2"));
    assert!(machine.simulator.stack().iter().map(|entry| entry.device).eq([0]));
}
