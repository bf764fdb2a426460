//! How much of the product of scenes, positions and faults is run.

use std::env;
use std::time::Instant;

/// All of it where the environment says `FAULTS=all`, else a part.
pub fn all() -> bool {
    match env::var("FAULTS") {
        Err(_) => false,
        Ok(value) if value == "all" => true,
        Ok(value) => panic!("FAULTS={value} means nothing: it is `all`, or not set"),
    }
}

/// Counts trials and says how long they took.
#[derive(Debug)]
pub struct Tally {
    name: &'static str,
    began: Instant,
    trials: usize,
    enumerated: usize,
}

impl Tally {
    pub fn new(name: &'static str) -> Self {
        Self { name, began: Instant::now(), trials: 0, enumerated: 0 }
    }

    /// Counts trials that were run, beside what the enumeration says there are.
    pub fn add(&mut self, trials: usize, enumerated: usize) {
        self.trials += trials;
        self.enumerated += enumerated;
    }

    /// Prints the count, which must be the one that the enumeration gives.
    pub fn finish(self) {
        let Self { name, began, trials, enumerated } = self;
        let extent = if all() { "all" } else { "a part" };
        println!("{name}: {trials} trials ({extent}) in {:.1} s", began.elapsed().as_secs_f64());
        assert_eq!(trials, enumerated, "{name}: trials run, and trials enumerated");
        assert!(trials > 0, "{name}: nothing was tried");
    }
}
