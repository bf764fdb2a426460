//! Whose references there are, and who takes whose.

use std::panic::{AssertUnwindSafe, catch_unwind};

use simulated_libcuda::Simulator;

use crate::driver::started;

/// Who took whose reference, oldest first.
fn taken(simulator: &Simulator) -> Vec<String> {
    let taken = simulator.taken();
    taken.iter().map(|taken| format!("{} from {}", taken.by, taken.from)).collect()
}

#[test]
fn a_release_takes_its_owners_reference_or_that_of_the_first_owner_that_has_one() {
    let (simulator, library) = started(1);
    for owner in ["A", "B"] {
        simulator.retain_by(owner, 0, 1);
    }
    library.retain(0);
    simulator.retain_by_others(0, 1);
    simulator.add_green_context(0);
    assert_eq!(simulator.references(0), 5);
    simulator.release_by_others(0);
    simulator.acting_as("A", || library.release(0));
    simulator.remove_green_context(0);
    assert_eq!(library.release(0), 0);
    assert_eq!(taken(&simulator), [""; 0], "each released its own");
    simulator.retain_by("A", 0, 1);
    for _ in ["A", "B"] {
        assert_eq!(library.release(0), 0);
    }
    assert_eq!(taken(&simulator), ["client from A", "client from B"]);
    assert_eq!(library.release(0), 201);
    assert_eq!(taken(&simulator).len(), 2, "a release that finds none takes nobody's");
    assert_eq!(simulator.underflows(), 1);
}

#[test]
fn a_thread_acts_as_another_for_as_long_as_it_says() {
    let (simulator, library) = started(1);
    simulator.acting_as("outer", || {
        library.retain(0);
        simulator.acting_as("inner", || library.retain(0));
        library.retain(0);
        std::thread::scope(|scope| {
            scope.spawn(|| library.retain(0).0);
        });
    });
    library.retain(0);
    let panics = || simulator.acting_as("outer", || panic!("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    for (owner, references) in [("outer", 2), ("inner", 1)] {
        simulator
            .acting_as(owner, || (0..references).for_each(|_| assert_eq!(library.release(0), 0)));
    }
    (0..2).for_each(|_| assert_eq!(library.release(0), 0));
    assert_eq!((taken(&simulator), simulator.references(0)), (vec![], 0));
}
