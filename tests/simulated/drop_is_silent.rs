//! Dropping a handle never panics, aborts, prints or allocates, whatever the driver returns. In a
//! process of its own, whose allocator counts and whose output is kept.

use crate::allocator::ALLOCATIONS;
use crate::support::processes::{BIRTHS, run_again, succeeds_in_child};
use crate::support::skips;
use crate::support::{Machine, RELEASE, RETAIN, machine};
use cuda_primary_context::PrimaryContextGuard;
use cuda_primary_context::checkpoint::Process;
use simulated_libcuda::Fault;
use std::time::Duration;

/// Codes that Drop can meet: of a driver that is gone, forked, without the context, or broken.
const CODES: [u32; 14] = [1, 2, 3, 4, 46, 100, 101, 201, 304, 700, 709, 719, 999, 777_777];

/// Drops a value, which must allocate nothing.
fn drop_without_allocating<T>(value: T, what: &str) {
    let before = ALLOCATIONS.get();
    drop(value);
    assert_eq!(ALLOCATIONS.get() - before, 0, "allocations by dropping {what}");
}

/// Drops a value while the driver fails so.
fn drop_with<T>(machine: &Machine, fault: Fault, value: T, what: &str) {
    machine.simulator.inject(fault);
    drop_without_allocating(value, what);
    assert_eq!(machine.simulator.faults_fired(), 1, "{what}");
    machine.simulator.clear_faults();
}

fn every_drop(machine: &Machine) {
    drop_without_allocating(machine.retain(0), "a context");
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    drop_without_allocating(guard, "a guard");
    let context = machine.retain(0);
    drop_without_allocating(context.make_current().unwrap(), "a current-context scope");
    drop(context);
    // SAFETY: the simulator is a CUDA driver as far as the crate calls it.
    let this = unsafe { Process::open_from(machine.simulator.path(), std::process::id()) }.unwrap();
    drop_without_allocating(this.lock(Duration::from_secs(5)).unwrap(), "a lock");
    for code in CODES {
        let fault = |function| Fault::of(function, 1).code(code);
        for fault in [fault(RELEASE).refused(), fault(RELEASE).done_then_reported()] {
            let context = machine.retain(0);
            drop_with(machine, fault, context, "a context that cannot be released");
        }
        machine.refuse(RELEASE, code);
        let error = machine.retain(0).release().unwrap_err();
        machine.simulator.clear_faults();
        let releases = machine.simulator.count(RELEASE);
        drop_without_allocating(error, "a release that failed");
        assert_eq!(machine.simulator.count(RELEASE), releases, "{code}: it is released again");
        let context = machine.retain(0);
        let current = context.make_current().unwrap();
        let fault = fault("cuCtxPopCurrent_v2").refused();
        drop_with(machine, fault, current, "a scope that cannot be left");
        machine.simulator.set_current(None);
    }
    // Whatever happened to the references, the ledger holds none.
    assert_eq!(machine.device(0).handles(), Ok(0));
    assert_eq!(machine.device(1).handles(), Ok(0));
}

/// A release that takes a green context's reference, whose undo may fail, too.
fn drops_beside_a_green_context(machine: &Machine) {
    for code in [0].into_iter().chain(CODES) {
        let context = machine.retain(1);
        machine.simulator.add_green_context(1);
        // Somebody takes a reference that was not theirs.
        machine.simulator.release_by_others(1);
        match code {
            0 => drop_without_allocating(context, "a context whose release is undone"),
            _ => {
                let fault = Fault::of(RETAIN, 1).code(code).refused();
                drop_with(machine, fault, context, "a context whose release cannot be undone");
            }
        }
        // What the failed undo would have left is put right, as somebody else could.
        machine.simulator.retain_by_others(1, u32::from(code != 0));
        machine.simulator.remove_green_context(1);
        assert_eq!((machine.simulator.references(1), machine.simulator.is_active(1)), (0, false));
    }
}

/// A scope that ends while another context is on top of the stack.
fn drop_of_a_scope_that_is_not_on_top(machine: &Machine) {
    let contexts = [0, 1].map(|ordinal| machine.retain(ordinal));
    let [below, above] = contexts.each_ref().map(|context| context.make_current().unwrap());
    drop_without_allocating(below, "a scope beneath another");
    let stack: Vec<u32> = machine.simulator.stack().iter().map(|entry| entry.device).collect();
    assert_eq!(stack, [0, 1], "what was popped is put back");
    drop(above);
    assert_eq!(machine.simulator.stack().len(), 1);
    machine.simulator.set_current(None);
}

/// In a forked child, in which every driver call fails.
fn drops_in_children(machine: &Machine) {
    for birth in BIRTHS {
        let context = machine.retain(0);
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        machine.refuse(RELEASE, 999);
        let error = machine.retain(0).release().unwrap_err();
        succeeds_in_child(birth, || {
            drop_without_allocating(error, "an inherited error");
            drop_without_allocating(context, "an inherited context");
            drop_without_allocating(guard, "an inherited guard");
        });
    }
}

#[test]
fn drop_never_panics_aborts_prints_or_allocates() {
    let test = "drop_is_silent::drop_never_panics_aborts_prints_or_allocates";
    let output = run_again(test, || {
        let machine = machine(2);
        let before = ALLOCATIONS.get();
        drop(Box::new(1_u8));
        assert_eq!(ALLOCATIONS.get() - before, 1, "the allocator counts");
        every_drop(&machine);
        drops_beside_a_green_context(&machine);
        drop_of_a_scope_that_is_not_on_top(&machine);
        drops_in_children(&machine);
        // The end of the driver, and handles that outlive it.
        let context = machine.retain(0);
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        machine.simulator.deinitialize();
        drop_without_allocating(context, "a context after the driver's end");
        drop_without_allocating(guard, "a guard after the driver's end");
        // Of the handles above: three for each code that does not mean "gone" (a release that was
        // refused, one that was done and reported as failed while others held the context, an error
        // that was dropped), and the error of each child, which the parent dropped, too.
        let unreleased = 3 * CODES.iter().filter(|code| ![3, 4, 201].contains(*code)).count();
        assert_eq!(machine.driver.unreleased(), (unreleased + BIRTHS.len()) as u64);
    });
    let Some(output) = output else { return };
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{printed}", output.status);
    // The harness's own lines, and nothing between them.
    let expected = format!("\nrunning 1 test\ntest {test} ... ok\n\ntest result: ok.");
    assert!(printed.starts_with(&expected), "{printed}");
    assert_eq!(skips::pass_on(&output.stderr), "");
}
