//! Random histories of this crate and of others in one process, against a model that counts.
//!
//! `PROPTEST_CASES` sets how many. A history that disagrees with the model is made as short as possible, and
//! its seed is kept under `target`, to be run first from then on. What was once found is a case of its own in
//! `known_histories`.

mod model;
mod operation;
mod others;
mod scopes;
mod world;

use std::env;

use operation::{MOST_DEVICES, Operation, Policy, history};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use world::World;

const REGRESSIONS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/random_histories.txt");

/// Histories in `cargo test`.
const CASES: u32 = 1000;

#[test]
fn histories_agree_with_the_model() {
    let cases = match env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default().cases,
        None => CASES,
    };
    let kept = FileFailurePersistence::Direct(REGRESSIONS);
    let config = Config { cases, failure_persistence: Some(Box::new(kept)), ..Config::default() };
    let steps = std::cell::Cell::new(0);
    let stories = (1..=MOST_DEVICES, any::<bool>(), history());
    let result = TestRunner::new(config).run(&stories, |(devices, names_dead, history)| {
        let gone_through = World::new(devices, names_dead).go_through(&history);
        steps.set(steps.get() + gone_through.map_err(TestCaseError::fail)?);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    println!("{cases} histories, {} steps", steps.get());
    // Of a few alone, all may be short by chance.
    assert!(cases < 100 || steps.get() > 16 * cases as usize, "{} steps", steps.get());
}

/// Histories that are worth going through every time, on two devices.
#[test]
fn known_histories() {
    use Operation::*;
    let keep_1 = || RetainOnly { device: 1, policy: Policy { keep: 0, releases: 1 } };
    let up_to_3 = || Run { policy: Policy { keep: 0, releases: 3 } };
    let green = || AddGreen { device: 0 };
    let remove = || RemoveGreen { device: 0 };
    let histories = [
        // A green context alone, which gets its reference back, and goes.
        vec![green(), keep_1(), remove()],
        // Somebody else took its reference: active for good, and every release is refused.
        vec![green(), OtherReleases { device: 0 }, keep_1(), remove(), up_to_3()],
        // Two of them, one of which loses its reference without the driver's saying so.
        vec![green(), green(), keep_1(), keep_1(), remove(), remove()],
        // A handle whose reference others took, while a green context lives and after it.
        vec![
            Retain { device: 0 },
            green(),
            OtherReleases { device: 0 },
            Release { handle: 0, give_up: false },
            remove(),
        ],
        vec![
            Retain { device: 0 },
            green(),
            OtherReleases { device: 0 },
            OtherReleases { device: 0 },
            Release { handle: 0, give_up: false },
            Release { handle: 0, give_up: true },
        ],
        // The thread on a context of cuCtxCreate that outlives the primary one, on a dead one, and on both,
        // one on the other.
        vec![OtherRetains { device: 0, references: 1 }, Create { device: 0 }, up_to_3()],
        vec![
            Create { device: 0 },
            SetCurrent { device: Some(0) },
            OtherRetains { device: 0, references: 2 },
            keep_1(),
            keep_1(),
        ],
        vec![
            Create { device: 0 },
            Retain { device: 1 },
            Scope { handle: 0, leave: true, inside: vec![Destroy { context: 0 }] },
            OtherRetains { device: 0, references: 1 },
            keep_1(),
        ],
        // Scopes out of their order.
        vec![
            Retain { device: 0 },
            Retain { device: 1 },
            Crossed { first: 0, second: 0, between: vec![up_to_3()] },
        ],
    ];
    for history in histories {
        for names_dead in [false, true] {
            if let Err(error) = World::new(2, names_dead).go_through(&history) {
                panic!("{history:?}\n{error}");
            }
        }
    }
}
