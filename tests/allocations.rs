//! Heap allocations: at most one in `retain_only`, none in Drop, in the audit, and in a plan's dry
//! run on up to 16 devices.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use cuda_primary_context::{Outcome, PrimaryContext, PrimaryContextGuard, StaleRelease};
use support::{Machine, machine, outcomes};

/// The system's allocator, and how often the calling thread asked it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is the system allocator's doing; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread at its end has no count any more.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What an action answers, and how often it allocated.
fn counted<T>(action: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.get();
    let answer = black_box(action());
    (answer, ALLOCATIONS.get() - before)
}

const DEVICES: [u32; 8] = [1, 2, 3, 8, 15, 16, 17, 64];

/// Which devices are stale: none, the first, every second, all.
fn states(devices: u32) -> [Vec<u32>; 4] {
    let references = |is_stale: &dyn Fn(u32) -> bool| {
        (0..devices).map(|device| u32::from(is_stale(device))).collect()
    };
    [
        references(&|_| false),
        references(&|device| device == 0),
        references(&|device| device % 2 == 0),
        references(&|_| true),
    ]
}

fn for_every_state(check: impl Fn(&Machine, u32)) {
    for devices in DEVICES {
        for references in states(devices) {
            let machine = machine(devices);
            machine.stray(&references);
            check(&machine, devices);
        }
    }
}

#[test]
fn the_count_counts() {
    assert_eq!(counted(|| Box::new(1)).1, 1);
    assert_eq!(counted(Vec::<u32>::new).1, 0);
}

#[test]
fn retain_only_allocates_at_most_once() {
    for_every_state(|machine, devices| {
        let kept = machine.device(devices - 1);
        let (guard, allocations) = counted(|| PrimaryContextGuard::retain_only(kept));
        assert!(allocations <= 1, "{allocations} allocations for {devices} devices");
        let guard = guard.expect("the device can be retained");
        assert_eq!(guard.report().devices().len(), devices as usize);
    });
}

#[test]
fn retain_only_allocates_at_most_once_when_it_switches_the_current_context() {
    let machine = machine(8);
    machine.stray(&[1, 1, 1, 0, 0, 0, 0, 0]);
    machine.simulator.set_current(Some(1));
    let kept = machine.device(7);
    let (guard, allocations) = counted(|| PrimaryContextGuard::retain_only(kept));
    let guard = guard.expect("the device can be retained");
    assert!(guard.report().current_context_switched());
    assert!(allocations <= 1, "{allocations} allocations");
    machine.simulator.set_current(None);
}

#[test]
fn drop_allocates_nothing() {
    for_every_state(|machine, devices| {
        let kept = machine.device(devices - 1);
        let guard = PrimaryContextGuard::retain_only(kept).expect("the device can be retained");
        let context = PrimaryContext::retain(kept).expect("the device can be retained");
        assert_eq!(counted(|| drop(context)).1, 0);
        assert_eq!(counted(|| drop(guard)).1, 0);
        assert_eq!(machine.driver.unreleased(), 0);
    });
}

#[test]
fn drop_that_fails_allocates_nothing() {
    let machine = machine(2);
    let context = PrimaryContext::retain(machine.device(1)).expect("the device can be retained");
    let release = simulated_libcuda::Fault::of("cuDevicePrimaryCtxRelease_v2", 1);
    machine.simulator.inject(release.code(700).refused());
    assert_eq!(counted(|| drop(context)).1, 0);
    assert_eq!(machine.driver.unreleased(), 1);
}

#[test]
fn the_audit_allocates_nothing() {
    for_every_state(|machine, devices| {
        let audit = || machine.driver.primary_contexts().filter(|(_, state)| state.is_ok()).count();
        let (answers, allocations) = counted(audit);
        assert_eq!((answers, allocations), (devices as usize, 0));
    });
}

#[test]
fn a_plan_for_up_to_16_devices_allocates_nothing() {
    for_every_state(|machine, devices| {
        let kept = machine.device(devices - 1);
        let policy = StaleRelease::new();
        let planned = || policy.plan(kept).map(|plan| plan.devices().count());
        let (lines, allocations) = counted(planned);
        assert_eq!(lines, Ok(devices as usize));
        assert!(allocations <= usize::from(devices > 16), "{devices}: {allocations}");
    });
}

#[test]
fn reading_a_report_allocates_nothing_where_nothing_failed() {
    let machine = machine(8);
    machine.stray(&[1, 2, 0, 1, 0, 0, 0, 0]);
    let kept = machine.device(2);
    let guard = PrimaryContextGuard::retain_only(kept).expect("the device can be retained");
    let read = || {
        let lines = guard.report().devices();
        lines.map(|line| line.calls().filter(|call| call.code.is_success()).count()).sum::<usize>()
    };
    // A retain; one state each of the four inactive ones; state, release and state of the others.
    assert_eq!(counted(read), (1 + 4 + 3 * 3, 0));
    assert_eq!(outcomes(&guard)[1], Outcome::StillActive { releases: 1 });
}
