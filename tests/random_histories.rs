//! Random histories of this crate and of others in one process, against a model that counts.
//!
//! `PROPTEST_CASES` sets how many. A history that disagrees with the model is made as short as
//! possible, and its seed is kept under `target`, to be run first from then on. What was once found is
//! a case of its own in `known_histories`.

mod histories;
mod support;

use std::cell::Cell;
use std::env;
use std::fs;
use std::time::Instant;

use histories::model::Mistake;
use histories::operation::{MOST_DEVICES, Operation, Policy, history};
use histories::world::World;
use proptest::prelude::*;
use proptest::test_runner::{
    Config, FailurePersistence, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError,
    TestRng, TestRunner,
};

const REGRESSIONS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/random_histories.txt");

/// Histories in `cargo test`.
const CASES: u32 = 2000;

/// The number of devices, whether the driver names destroyed contexts, and what happens.
type Story = (usize, bool, Vec<Operation>);

fn stories() -> impl Strategy<Value = Story> {
    (1..=MOST_DEVICES, any::<bool>(), history())
}

fn cases() -> u32 {
    if env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { CASES }
}

fn config(cases: u32, regressions: Option<&'static str>) -> Config {
    let kept = regressions.map(|file| -> Box<dyn FailurePersistence> {
        Box::new(FileFailurePersistence::Direct(file))
    });
    Config { cases, failure_persistence: kept, ..Config::default() }
}

/// Goes through the same histories every time, until a mistake of the model shows.
fn find(mistake: Mistake, regressions: Option<&'static str>) -> Result<(), TestError<Story>> {
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config(1000, regressions), random);
    runner.run(&stories(), |story| tell(&story, mistake).map(drop))
}

fn tell((devices, names_dead, history): &Story, mistake: Mistake) -> Result<usize, TestCaseError> {
    World::new(*devices, *names_dead, mistake).go_through(history).map_err(TestCaseError::fail)
}

#[test]
fn histories_agree_with_the_model() {
    let (began, steps, stories_told) = (Instant::now(), Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(config(cases(), Some(REGRESSIONS)));
    let answer = runner.run(&stories(), |story| {
        steps.set(steps.get() + tell(&story, Mistake::None)?);
        stories_told.set(stories_told.get() + 1);
        Ok(())
    });
    if let Err(error) = answer {
        panic!("{error}");
    }
    let (stories, steps) = (stories_told.get(), steps.get());
    println!("{stories} histories, {steps} steps in {:.1} s", began.elapsed().as_secs_f64());
    assert!(stories >= cases(), "what was asked for was run");
    // Of a few alone, all may be short by chance.
    if stories >= 100 {
        assert!(steps > 16 * stories as usize, "histories are no short ones: {steps} steps");
    }
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
        // The thread on a context of cuCtxCreate that outlives the primary one, on a dead one, and
        // on both, one on the other.
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
            if let Err(error) = tell(&(2, names_dead, history.clone()), Mistake::None) {
                panic!("{history:?}\n{error}");
            }
        }
    }
}

#[test]
fn mistakes_of_the_model_are_found_and_shrink() {
    for mistake in [
        Mistake::ForgetsHandles,
        Mistake::KeepsLeakedHandles,
        Mistake::NeverRestores,
        Mistake::NeverUndoes,
        Mistake::OrdinaryDiesWithPrimary,
        Mistake::ForgetsOrphans,
    ] {
        let answer = find(mistake, None);
        let Err(TestError::Fail(reason, (devices, _, history))) = answer else {
            panic!("{mistake:?} is not found: {answer:?}");
        };
        println!("{mistake:?}, on {devices} devices: {history:?}\n{reason}");
        assert!(devices <= 3 && history.len() <= 4, "{mistake:?}: {devices} devices, {history:?}");
    }
}

#[test]
fn failures_are_kept() {
    let folder = format!("{}/histories-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    fs::create_dir(&folder).unwrap();
    let file: &'static str = format!("{folder}/regressions.txt").leak();
    let answer = find(Mistake::KeepsLeakedHandles, Some(file));
    assert!(matches!(answer, Err(TestError::Fail(..))));
    let kept = fs::read_to_string(file).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(kept.lines().filter(|line| line.starts_with("cc ")).count(), 1, "{kept}");
}
