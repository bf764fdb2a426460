//! Whose references there are, and who takes whose.

use simulated_libcuda::Simulator;

use crate::driver::started;

/// The owners of device 0.
fn owners(simulator: &Simulator) -> String {
    let owners = simulator.owners(0);
    owners.iter().map(|(name, references)| format!("{references} {name},")).collect()
}

/// Who took whose reference last.
fn last_taken(simulator: &Simulator) -> String {
    let taken = simulator.taken();
    taken.last().map_or(String::new(), |taken| format!("{} from {}", taken.by, taken.from))
}

#[test]
fn every_reference_has_an_owner() {
    let (simulator, library) = started(2);
    library.retain(0);
    library.retain(0);
    simulator.retain_by_others(0, 3);
    simulator.add_green_context(0);
    simulator.retain_by("PyTorch", 0, 4);
    simulator.acting_as("CuPy", || library.retain(0));
    assert_eq!(owners(&simulator), "2 client,3 other library,1 green context,4 PyTorch,1 CuPy,");
    assert_eq!(simulator.references(0), 11);
    assert_eq!(simulator.owners(1), []);
}

#[test]
fn a_release_takes_its_owners_reference_or_that_of_the_first_owner_that_has_one() {
    let (simulator, library) = started(1);
    for owner in ["A", "B", "A"] {
        simulator.retain_by(owner, 0, 1);
    }
    library.retain(0);
    simulator.retain_by_others(0, 1);
    simulator.release_by_others(0);
    simulator.release_by("A", 0);
    assert_eq!((owners(&simulator), simulator.taken()), ("1 client,1 A,1 B,".into(), vec![]));
    assert_eq!(library.release(0), 0);
    for (from, left) in [("A", "1 B,"), ("B", "")] {
        assert_eq!(library.release(0), 0);
        assert_eq!(owners(&simulator), left);
        assert_eq!(last_taken(&simulator), format!("client from {from}"));
    }
    assert_eq!(library.release(0), 201);
    assert_eq!(simulator.taken().len(), 2, "a release that finds none takes nobody's");
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
    assert_eq!(owners(&simulator), "2 client,2 outer,1 inner,");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        simulator.acting_as("outer", || panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    library.retain(0);
    assert_eq!(owners(&simulator), "3 client,2 outer,1 inner,");
}

#[test]
#[should_panic(expected = "32 are the most")]
fn there_are_32_owners_at_most() {
    let simulator = Simulator::start(1);
    for index in 0..30 {
        simulator.retain_by(&format!("owner {index}"), 0, 1);
    }
}
