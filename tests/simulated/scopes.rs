//! Scopes in which a context is current, ended out of their order or on another stack than they began on.

use cuda_primary_context::sys::{CUresult, functions};
use cuda_primary_context::{Error, PrimaryContext};

use crate::support::{Machine, machine};

/// The devices of the contexts on the thread's stack, the bottom first.
fn stack(machine: &Machine) -> Vec<u32> {
    machine.simulator.stack().iter().map(|entry| entry.device).collect()
}

fn contexts(machine: &Machine) -> [PrimaryContext; 2] {
    [0, 1].map(|ordinal| machine.retain(ordinal))
}

#[test]
fn another_context_on_top_is_put_back() {
    let machine = machine(3);
    let contexts = contexts(&machine);
    let [outer, inner] = contexts.each_ref().map(|context| context.make_current().unwrap());
    assert_eq!(outer.leave(), Err(Error::NotCurrent { device: 0 }));
    assert_eq!(stack(&machine), [0, 1]);
    machine.create_context(2);
    assert_eq!(inner.leave(), Err(Error::NotCurrent { device: 1 }));
    assert_eq!(stack(&machine), [0, 1, 2]);
}

#[test]
fn what_the_driver_refuses_at_the_end_is_an_error() {
    let refused = |call| {
        let code = CUresult::CUDA_ERROR_INVALID_CONTEXT;
        Err(Error::Driver { call, device: Some(0), code })
    };
    let machine = machine(2);
    let [context, other] = contexts(&machine);
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
    assert_eq!(stack(&machine), [0]);
}
