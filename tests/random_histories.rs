//! Random histories of this crate and of others in one process, against a model that counts.
//!
//! `PROPTEST_CASES` sets how many. A history that disagrees with the model is made as short as
//! possible, and its seed is kept in tests/histories/regressions.txt, to be run first from then on.

mod histories;
mod support;

use std::cell::Cell;
use std::env;
use std::fs;
use std::time::Instant;

use histories::model::Mistake;
use histories::operation::{MOST_DEVICES, Operation, history};
use histories::world::World;
use proptest::prelude::*;
use proptest::test_runner::{
    Config, FailurePersistence, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError,
    TestRng, TestRunner,
};

const REGRESSIONS: &str = "tests/histories/regressions.txt";

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
    assert!(steps > 16 * stories as usize, "histories are no short ones: {steps} steps");
}

#[test]
fn mistakes_of_the_model_are_found_and_shrink() {
    for mistake in [Mistake::ForgetsHandles, Mistake::KeepsLeakedHandles, Mistake::NeverRestores] {
        let answer = find(mistake, None);
        let Err(TestError::Fail(reason, (devices, _, history))) = answer else {
            panic!("{mistake:?} is not found: {answer:?}");
        };
        println!("{mistake:?}, on {devices} devices: {history:?}\n{reason}");
        assert!(devices <= 3 && history.len() <= 3, "{mistake:?}: {devices} devices, {history:?}");
    }
}

#[test]
fn failures_are_kept() {
    let folder = env::temp_dir().join(format!("histories-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let file: &'static str = folder.join("regressions.txt").display().to_string().leak();
    let answer = find(Mistake::KeepsLeakedHandles, Some(file));
    assert!(matches!(answer, Err(TestError::Fail(..))));
    let kept = fs::read_to_string(file).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(kept.lines().filter(|line| line.starts_with("cc ")).count(), 1, "{kept}");
}
