//! Random histories of this crate and of others in one process, against a model that counts.
//!
//! `PROPTEST_CASES` sets how many. A history that disagrees with the model is made as short as possible, and
//! its seed is kept under `target`, to be run first from then on.

mod model;
mod operation;
mod others;
mod scopes;
mod world;

use std::env;

use operation::{MOST_DEVICES, history};
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
