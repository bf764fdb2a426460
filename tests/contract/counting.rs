//! References to primary contexts.

use super::machine::Machine;
use super::questions::Questions;
use super::sequences::sequences;

sequences! {
    /// As many releases succeed as there were retains; the next one returns 201.
    releases_end_with_the_references:
        "release 201 0/0, release 201 0/0, retain 0 1/0, release 0 0/0, release 201 0/0",
        "retain 0 1/0, retain 0 1/0, retain 0 1/0, release 0 1/0, release 0 1/0, release 0 0/0",
        "release 201 0/0, retain 0 1/0, release 0 0/0";

    /// The function of the first generation returns 0 if there is nothing to release.
    releases_of_the_first_generation:
        "release_v1 0 0/0, release_v1 0 0/0, retain 0 1/0, release_v1 0 0/0, release_v1 0 0/0",
        "retain 0 1/0, retain 0 1/0, release_v1 0 1/0, release_v1 0 0/0, release_v1 0 0/0",
        "retain 0 1/0, release 0 0/0";

    generations_share_the_count:
        "retain 0 1/0, retain 0 1/0, retain 0 1/0, release_v1 0 1/0, release 0 1/0",
        "release_v1 0 0/0, release 201 0/0, release_v1 0 0/0";

    /// A retain pushes nothing, a release pops nothing.
    retain_and_the_stack:
        "retain 0 1/0, current none, bind 0, current primary, retain 0 1/0, release 0 1/0",
        "current primary, synchronize 0, push 0, pop 0 primary, release 0 0/0, current primary",
        "pop 0 primary, pop 201, current none";

    /// A context of its own: current from its creation on, gone with its destruction.
    ordinary_contexts:
        "create 0, current ordinary, state 0/0, device 0 same, retain 0 1/0, release 0 0/0",
        "synchronize 0, destroy 0, current none";

    /// A primary context is not for `cuCtxDestroy`.
    destroying_a_primary_context:
        "retain 0 1/0, destroy_primary 201, state 1/0, bind 0, destroy_primary 201",
        "current primary, destroy_primary_v1 201, release 0 0/0, destroy_primary 201";
}

/// Counts are exact under many threads.
pub fn many_threads(machine: &Machine, questions: &Questions) {
    const THREADS: u32 = 8;
    const ROUNDS: u32 = 500;
    let library = machine.initialised();
    let device = library.device(0);
    let pairs = || {
        let round =
            || [library.retain(device).0, library.release(device)].map(|result| result.to_string());
        (0..ROUNDS).filter(|_| round() != ["0", "0"]).count()
    };
    library.retain(device);
    let failed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(pairs)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends")).sum()
    });
    questions.ask("pairs that failed", 0, failed);
    questions.ask("state", "1/0", library.state(device));
    questions.ask("the last release", 0, library.release(device));
    questions.ask("one more", 201, library.release(device));
}

pub fn devices_are_counted_apart(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let (zero, one) = (library.device(0), library.device(1));
    let (_, of_zero) = library.retain(zero);
    questions.ask("state of the other", "0/0", library.state(one));
    let (_, of_one) = library.retain(one);
    questions.holds("each has its context", of_zero != of_one);
    questions.ask("release", 0, library.release(zero));
    questions.ask("state of the other afterwards", "1/0", library.state(one));
    questions.ask("release of the other", 0, library.release(one));
    questions.ask("one more", 201, library.release(one));
}
