//! Heap allocations: none in `retain_only` where nothing is stray and at most three where something is,
//! however many devices there are; one for a plan; none in the audit, and in reading a report.

use std::hint::black_box;

use crate::allocator::ALLOCATIONS;
use crate::support::{Machine, machine, outcomes};
use cuda_primary_context::{
    CurrentContextChange, Outcome, PrimaryContext, PrimaryContextGuard, StrayRelease,
};

/// What an action returns, and how often it allocated.
fn counted<T>(action: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.get();
    let result = black_box(action());
    (result, ALLOCATIONS.get() - before)
}

const DEVICES: [u32; 4] = [1, 2, 17, 64];

/// Which devices are stray: none, the first, every second, all.
fn states(devices: u32) -> [Vec<u32>; 4] {
    let references = |is_stray: &dyn Fn(u32) -> bool| {
        (0..devices).map(|device| u32::from(is_stray(device))).collect()
    };
    [
        references(&|_| false),
        references(&|device| device == 0),
        references(&|device| device % 2 == 0),
        references(&|_| true),
    ]
}

/// A machine of every size in every state, with the device to keep: the last one, which counts for
/// nothing when it is asked whether something is stray.
fn for_every_state(check: impl Fn(&Machine, u32, bool)) {
    for devices in DEVICES {
        for references in states(devices) {
            let machine = machine(devices);
            machine.stray(&references);
            let (_, others) = references.split_last().expect("there is a device");
            check(&machine, devices, others.contains(&1));
        }
    }
}

/// What a stray device costs: the findings of the report, their lines and their calls.
const OF_A_REPORT: usize = 3;

#[test]
fn retain_only_allocates_nothing_where_nothing_is_stray() {
    let stray = std::cell::Cell::new([0; 2]);
    for_every_state(|machine, devices, is_stray| {
        let kept = machine.device(devices - 1);
        let (guard, allocations) = counted(|| PrimaryContextGuard::retain_only(kept));
        let expected = if is_stray { OF_A_REPORT } else { 0 };
        assert_eq!(allocations, expected, "{devices} devices, stray: {is_stray}");
        let guard = guard.expect("the device can be retained");
        assert_eq!(guard.report().devices().len(), devices as usize);
        let mut counts = stray.get();
        counts[usize::from(is_stray)] += 1;
        stray.set(counts);
    });
    assert!(stray.get().iter().all(|count| *count > 0), "both were seen: {:?}", stray.get());
}

#[test]
fn switching_or_restoring_the_current_context_allocates_no_more() {
    for (references, is_destroyed) in [(1, true), (2, false)] {
        let machine = machine(8);
        machine.stray(&[1, references, 1, 0, 0, 0, 0, 0]);
        machine.simulator.set_current(Some(1));
        let kept = machine.device(7);
        let (guard, allocations) = counted(|| PrimaryContextGuard::retain_only(kept));
        let guard = guard.expect("the device can be retained");
        let change = guard.report().current_context();
        assert_eq!(matches!(change, CurrentContextChange::Switched { .. }), is_destroyed);
        assert_eq!(allocations, OF_A_REPORT);
        machine.simulator.set_current(None);
    }
}

#[test]
fn a_run_allocates_as_retain_only_does() {
    let machine = machine(8);
    let policy = StrayRelease::new();
    assert_eq!(counted(|| policy.run(machine.driver).unwrap()).1, 0);
    machine.stray(&[1, 0, 2, 1, 0, 0, 0, 1]);
    let (report, allocations) = counted(|| policy.run(machine.driver).unwrap());
    assert_eq!(allocations, OF_A_REPORT);
    assert_eq!(report.devices().filter(|line| line.outcome().releases() == 1).count(), 4);
}

#[test]
fn retain_and_release_allocate_nothing() {
    let machine = machine(2);
    let cycle = || {
        let context = PrimaryContext::retain(machine.device(0)).unwrap();
        context.make_current().unwrap().leave().unwrap();
        drop(context.make_current().unwrap());
        context.release().unwrap();
        assert!(PrimaryContext::retain_if_active(machine.device(1)).unwrap().is_none());
    };
    assert_eq!(counted(cycle).1, 0);
}

#[test]
fn the_audit_allocates_nothing() {
    for_every_state(|machine, devices, _| {
        let audit = || machine.driver.primary_contexts().filter(|(_, state)| state.is_ok()).count();
        let (states, allocations) = counted(audit);
        assert_eq!((states, allocations), (devices as usize, 0));
    });
}

#[test]
fn a_plan_allocates_once() {
    for_every_state(|machine, devices, _| {
        let kept = machine.device(devices - 1);
        let policy = StrayRelease::new();
        let planned = || policy.plan(kept).map(|plan| plan.devices().count());
        assert_eq!(counted(planned), (Ok(devices as usize), 1));
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
    // A retain; one state each of the four inactive ones; state, release and state of the others, and
    // the thread's current context once.
    assert_eq!(counted(read), (1 + 4 + 3 * 3 + 1, 0));
    assert_eq!(outcomes(&guard)[1], Outcome::StillActive { releases: 1 });
}
