//! Releasing several devices at once: what it must not change, and the time it saves.

mod support;

use std::time::{Duration, Instant};

use cuda_primary_context::{CurrentContextChange, Outcome, PrimaryContextGuard, StaleRelease};
use simulated_libcuda::{Fault, Knob};
use support::{Machine, machine, outcomes};

const DEVICES: u32 = 8;

/// References on every device, the calling thread's current device, and the policy's bound.
const CASES: [([u32; DEVICES as usize], Option<u32>, u32); 5] = [
    ([1, 0, 1, 1, 1, 1, 1, 1], None, 1),
    ([0, 0, 0, 0, 0, 0, 0, 0], None, 1),
    ([3, 0, 1, 0, 2, 0, 1, 1], Some(0), 1),
    ([3, 1, 1, 0, 2, 0, 1, 1], Some(4), 2),
    ([1, 0, 1, 1, 1, 1, 1, 1], Some(7), 0),
];

fn retain_only(machine: &Machine, bound: u32, threads: u32) -> PrimaryContextGuard {
    let policy = StaleRelease::new().releases_up_to(bound).threads(threads);
    PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap()
}

/// Everything that a report says but the driver it is of.
fn told(guard: &PrimaryContextGuard) -> Vec<String> {
    let lines = guard.report().devices().map(|device| {
        let calls: Vec<_> = device.calls().collect();
        format!("{} {:?} {calls:?}", device.ordinal(), device.outcome())
    });
    let switched = guard.report().current_context_switched().to_string();
    lines.chain([switched]).collect()
}

#[test]
fn report_and_result_are_those_of_one_thread() {
    for (references, current, bound) in CASES {
        let serial = machine(DEVICES);
        serial.stray(&references);
        serial.simulator.set_current(current);
        let expected = retain_only(&serial, bound, 1);
        for threads in [0, 2, 3, 7, 64, u32::MAX] {
            let machine = machine(DEVICES);
            machine.stray(&references);
            machine.simulator.set_current(current);
            let guard = retain_only(&machine, bound, threads);
            assert_eq!(told(&guard), told(&expected), "{threads} threads");
            assert_eq!(machine.references(), serial.references());
            assert_eq!(machine.simulator.stack(), serial.simulator.stack());
        }
    }
}

#[test]
fn failing_device_hides_nothing_on_several_threads() {
    let machine = machine(DEVICES);
    machine.stray(&[1, 0, 1, 1, 1, 1, 1, 1]);
    let fault = Fault::of("cuDevicePrimaryCtxRelease_v2", 1).device(3).code(999).refused();
    machine.simulator.inject(fault.from_then_on());
    let guard = retain_only(&machine, 1, 4);
    for (ordinal, outcome) in (0..).zip(outcomes(&guard)) {
        match ordinal {
            1 => assert_eq!(outcome, Outcome::Kept),
            3 => assert_eq!(outcome.kind(), "failed"),
            _ => assert_eq!(outcome, Outcome::Released { releases: 1 }),
        }
    }
    assert_eq!(machine.references(), [0, 1, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn calling_thread_is_moved_and_only_that_one() {
    let machine = machine(3);
    machine.stray(&[1, 0, 1]);
    machine.simulator.set_current(Some(2));
    let policy = StaleRelease::new().threads(2);
    let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
    let from = Some(machine.device(2));
    assert_eq!(guard.report().current_context(), CurrentContextChange::Switched { from });
    assert_eq!(machine.simulator.stack()[0].device, 1);
}

#[test]
fn teardowns_overlap_if_the_driver_lets_them() {
    let took = |threads, driver_wide_lock| {
        let machine = machine(DEVICES);
        machine.stray(&[1, 0, 1, 1, 1, 1, 1, 1]);
        machine.simulator.set_knob(Knob::ReleaseMicroseconds, 20_000);
        machine.simulator.set_knob(Knob::DelayHoldsLock, driver_wide_lock);
        let start = Instant::now();
        let guard = retain_only(&machine, 1, threads);
        let took = start.elapsed();
        machine.simulator.set_knob(Knob::ReleaseMicroseconds, 0);
        drop(guard);
        took
    };
    let one_after_the_other = Duration::from_millis(140);
    assert!(took(1, 0) >= one_after_the_other);
    assert!(took(7, 0) < one_after_the_other / 2, "seven teardowns at once");
    assert!(took(7, 1) >= one_after_the_other, "a driver that locks makes them wait");
}
