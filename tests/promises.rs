//! The ten promises, each by its name and in one case; the other tests go through all the cases.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Driver, Outcome, PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::{Fault, Simulator};
use support::processes::{BIRTHS, in_child, in_own_process};
use support::{machine, outcomes};

const GET_STATE: &str = "cuDevicePrimaryCtxGetState";
const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";

/// Counts what the calling thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator; the counter is a plain cell.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn promise_1_no_leak_and_no_lost_reference() {
    // Retain, state, the thread's context, release, state.
    for call in 1..=5 {
        let machine = machine(2);
        machine.stray(&[1, 0]);
        machine.simulator.inject(Fault::at_call(call).code(719).refused().once());
        let guard = PrimaryContextGuard::retain_only(machine.device(1));
        assert_eq!(machine.simulator.faults_fired(), 1, "call {call}");
        let handles = u32::from(guard.is_ok());
        assert_eq!((machine.references()[1], machine.device(1).handles()), (handles, Ok(handles)));
        drop(guard);
        assert_eq!((machine.references()[1], machine.device(1).handles()), (0, Ok(0)));
    }
}

#[test]
fn promise_2_exactly_once() {
    let machine = machine(1);
    machine.stray(&[5]);
    let context = PrimaryContext::retain(machine.device(0)).unwrap();
    machine.simulator.inject(Fault::of(RELEASE, 1).code(999).refused().once());
    let (_, context) = context.release().unwrap_err();
    assert_eq!(machine.references(), [6], "the handle came back with its reference");
    context.release().unwrap();
    assert_eq!(machine.references(), [5]);
}

#[test]
fn promise_3_others_devices_are_left_alone() {
    let machine = machine(3);
    machine.stray(&[1, 0, 1]);
    let held = PrimaryContext::retain(machine.device(2)).unwrap();
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert_eq!(machine.references(), [0, 1, 2]);
    assert_eq!(outcomes(&guard)[2], Outcome::HeldHere { handles: 1 });
    drop(held);
}

#[test]
fn promise_4_one_failing_device_hides_nothing() {
    let machine = machine(4);
    machine.stray(&[1, 0, 1, 1]);
    machine.simulator.inject(Fault::of(RELEASE, 1).device(0).code(719).refused().once());
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let kinds: Vec<&str> = outcomes(&guard).iter().map(Outcome::kind).collect();
    assert_eq!(kinds, ["failed", "kept", "released", "released"]);
    let failed = guard.report().devices().next().unwrap();
    let calls: Vec<_> = failed.calls().map(|call| (call.function, call.code.0)).collect();
    assert_eq!(calls, [(GET_STATE, 0), (RELEASE, 719)]);
}

#[test]
fn promise_5_nothing_is_created_elsewhere() {
    let machine = machine(4);
    machine.stray(&[1, 0, 0, 2]);
    let calls = machine.calls_of(|| {
        drop(PrimaryContextGuard::retain_only(machine.device(1)).unwrap());
    });
    let elsewhere = calls.iter().filter_map(|call| call.split_once('@'));
    for (function, _) in elsewhere.filter(|(_, device)| *device != "1") {
        assert!([GET_STATE, RELEASE].contains(&function), "{function}");
    }
}

#[test]
fn promise_6_the_current_context_changes_in_one_case_alone() {
    for (current, references, switched) in [(0, 1, true), (0, 2, false), (1, 1, false)] {
        let machine = machine(2);
        machine.stray(&[references, 1]);
        machine.simulator.set_current(Some(current));
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        assert_eq!(guard.report().current_context_switched(), switched);
        let now = machine.simulator.stack()[0].device;
        assert_eq!(now, if switched { 1 } else { current });
        drop(guard);
        assert_eq!(machine.simulator.stack()[0].device, now, "Drop changes nothing");
    }
}

#[test]
fn promise_7_drop_is_silent() {
    let machine = machine(1);
    for code in [0, 3, 4, 201, 719, 777_777] {
        let context = PrimaryContext::retain(machine.device(0)).unwrap();
        if code != 0 {
            machine.simulator.inject(Fault::of(RELEASE, 1).code(code).refused().once());
        }
        let before = ALLOCATIONS.get();
        drop(context);
        assert_eq!(ALLOCATIONS.get(), before, "code {code}");
    }
}

#[test]
fn promise_8_unknown_codes_keep_their_number() {
    let machine = machine(1);
    machine.simulator.inject(Fault::at_call(1).code(u32::MAX).refused().from_then_on());
    let error = PrimaryContext::retain(machine.device(0)).unwrap_err();
    assert_eq!(error.code(), Some(CUresult(u32::MAX)));
    assert!(error.to_string().contains("4294967295"), "{error}");
}

#[test]
fn promise_9_each_failure_is_its_own_error() {
    in_own_process("promise_9_each_failure_is_its_own_error", || {
        let builder = || Simulator::builder().devices(1).visible_devices(None);
        let simulators = [
            (builder().stub().start(), "stub_library", "LD_LIBRARY_PATH"),
            (builder().devices(0).start(), "no_device", "CUDA_VISIBLE_DEVICES"),
            (
                builder().driver_version(10010).without(&[RELEASE]).start(),
                "driver_too_old",
                "install a newer driver",
            ),
        ];
        for (simulator, kind, fix) in &simulators {
            let error = Driver::load_from(simulator.path()).unwrap_err();
            assert_eq!(error.kind(), *kind);
            assert!(error.to_string().contains(fix), "{error}");
        }
        assert_eq!(Driver::load_from("/no/libcuda.so.1").unwrap_err().kind(), "library_not_found");
        let machine = machine(1);
        for birth in BIRTHS {
            let status = in_child(birth, || {
                let error = PrimaryContext::retain(machine.device(0)).unwrap_err();
                assert_eq!(error.kind(), "forked_after_init");
                assert!(error.to_string().contains("spawn or exec"), "{error}");
                0
            });
            assert!(status.success(), "{birth:?}: {status}");
        }
    });
}

/// No driver call more than a loop by hand makes. `.ci/instructions` counts what the layer adds.
#[test]
fn promise_10_it_costs_what_the_driver_calls_cost() {
    let machine = machine(3);
    let calls = machine.calls_of(|| {
        drop(PrimaryContextGuard::retain_only(machine.device(1)).unwrap());
    });
    let by_hand = [
        "cuDevicePrimaryCtxRetain@1",
        "cuDevicePrimaryCtxGetState@0",
        "cuDevicePrimaryCtxGetState@2",
        "cuDevicePrimaryCtxRelease_v2@1",
    ];
    assert_eq!(calls, by_hand);
}
