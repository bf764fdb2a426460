//! Whose references there are, and who takes whose.

use crate::driver::started;
use simulated_libcuda::Simulator;

fn named(list: &[(&str, u32)]) -> Vec<(String, u32)> {
    list.iter().map(|&(name, references)| (name.to_owned(), references)).collect()
}

/// Device, by, from.
fn taken(simulator: &Simulator) -> Vec<(u32, String, String)> {
    simulator.taken().into_iter().map(|taken| (taken.device, taken.by, taken.from)).collect()
}

#[test]
fn every_reference_has_an_owner() {
    let (simulator, library) = started(2);
    library.retain(1);
    library.retain(1);
    simulator.retain_by_others(1, 3);
    simulator.add_green_context(1);
    simulator.retain_by("PyTorch", 1, 4);
    simulator.acting_as("CuPy", || library.retain(1));
    let expected = named(&[
        ("client", 2),
        ("other library", 3),
        ("green context", 1),
        ("PyTorch", 4),
        ("CuPy", 1),
    ]);
    assert_eq!(simulator.owners(1), expected);
    assert_eq!(simulator.references(1), 11);
    assert_eq!(simulator.owners(0), []);
}

#[test]
fn a_release_takes_its_owners_reference_or_that_of_the_first_owner_that_has_one() {
    let (simulator, library) = started(1);
    for owner in ["A", "B", "A"] {
        simulator.retain_by(owner, 0, 1);
    }
    library.retain(0);
    simulator.retain_by("B", 0, 1);
    assert_eq!(library.release(0), 0);
    assert_eq!(simulator.owners(0), named(&[("A", 2), ("B", 2)]));
    assert_eq!(taken(&simulator), []);
    for (from, left) in
        [("A", [("A", 1), ("B", 2)].as_slice()), ("A", &[("B", 2)]), ("B", &[("B", 1)]), ("B", &[])]
    {
        assert_eq!(library.release(0), 0);
        assert_eq!(simulator.owners(0), named(left));
        assert_eq!(taken(&simulator).last().unwrap(), &(0, "client".to_owned(), from.to_owned()));
    }
    assert_eq!(library.release(0), 201);
    assert_eq!(taken(&simulator).len(), 4, "a release that finds none takes nobody's");
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
    assert_eq!(simulator.owners(0), named(&[("client", 2), ("outer", 2), ("inner", 1)]));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        simulator.acting_as("outer", || panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    library.retain(0);
    assert_eq!(simulator.owners(0)[0], ("client".to_owned(), 3));
}

#[test]
fn others_release_their_own() {
    let (simulator, library) = started(1);
    simulator.retain_by_others(0, 1);
    simulator.retain_by("A", 0, 2);
    library.retain(0);
    simulator.release_by_others(0);
    simulator.release_by("A", 0);
    assert_eq!(simulator.owners(0), named(&[("client", 1), ("A", 1)]));
    simulator.release_by_others(0);
    let expected = (0, "other library".to_owned(), "client".to_owned());
    assert_eq!(taken(&simulator), [expected]);
    assert_eq!(simulator.owners(0), named(&[("A", 1)]));
}

#[test]
#[should_panic(expected = "32 are the most")]
fn there_are_32_owners_at_most() {
    let simulator = Simulator::start(1);
    for index in 0..30 {
        simulator.retain_by(&format!("owner {index}"), 0, 1);
    }
}
