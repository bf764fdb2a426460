//! Injected faults: which call they hit, what it does, what it answers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::driver::{Library, POISONED, started};
use simulated_libcuda::{Fault, Simulator};

/// Five calls, and what each answers.
fn scenario(library: Library) -> [u32; 5] {
    [
        library.retain(0).0,
        library.state(0).0,
        library.retain(1).0,
        library.release(0),
        library.release(1),
    ]
}

#[test]
fn a_fault_at_every_position_hits_that_call_and_all_later_ones_if_it_persists() {
    for (position, persists) in (1..=5).flat_map(|position| [(position, false), (position, true)]) {
        let (simulator, library) = started(3);
        let fault = Fault::at_call(position as u64).code(777_777).done_then_reported();
        simulator.inject(if persists { fault.from_then_on() } else { fault.once() });
        for (index, code) in scenario(library).into_iter().enumerate() {
            let is_hit = index + 1 == position || (persists && index + 1 > position);
            assert_eq!(code, if is_hit { 777_777 } else { 0 }, "position {position}, {persists}");
        }
        assert_eq!(simulator.faults_fired(), if persists { 6 - position as u64 } else { 1 });
        assert_eq!((simulator.references(0), simulator.references(1)), (0, 0), "all was done");
        simulator.clear_faults();
        assert_eq!((library.init(), simulator.faults_fired()), (0, 0));
    }
}

#[test]
fn of_two_faults_on_one_call_the_first_armed_decides() {
    let (simulator, library) = started(3);
    simulator.inject(Fault::of("cuDeviceGetCount", 1).code(700));
    simulator.inject(Fault::at_call(1).code(701));
    assert_eq!(library.count().0, 700);
    assert_eq!(library.count().0, 0, "both were counted by the first call");
    assert_eq!(simulator.faults_fired(), 1);
}

#[test]
fn the_tests_hand_is_never_hit() {
    let (simulator, library) = started(3);
    simulator.inject(Fault::at_call(1).code(999).refused().from_then_on());
    simulator.retain_by_others(0, 2);
    simulator.release_by_others(0);
    simulator.set_current(Some(0));
    assert_eq!((simulator.references(0), simulator.faults_fired()), (1, 0));
    assert_eq!(library.count(), (999, POISONED));
}

#[test]
fn the_last_word_counts_and_a_fault_that_cannot_be_is_refused() {
    let plain = Fault::of("cuInit", 1);
    assert_eq!(plain.clone().done_then_reported().from_then_on().refused().once(), plain);
    for fault in [Fault::of("cuNothing", 1), Fault::at_call(0)] {
        let mut client = Simulator::builder().command("true");
        let inject = AssertUnwindSafe(|| {
            client.inject(fault.clone());
        });
        assert!(catch_unwind(inject).is_err(), "{fault:?}");
    }
}
