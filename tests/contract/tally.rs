//! How many checks ran, were skipped, differed and failed: on one driver, and in the whole run.

use std::fmt;
use std::ops::AddAssign;
use std::sync::{Mutex, Once, PoisonError};

use crate::support::skips::say;

/// What became of checks. A check that is skipped did not run, and is not among the others.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub ran: usize,
    pub skipped: usize,
    /// Ran, and answered otherwise than expected in places that `differences.txt` lists.
    pub differed: usize,
    /// Ran, or began to, and answered otherwise than expected or listed.
    pub failed: usize,
}

static TOTAL: Mutex<Tally> = Mutex::new(Tally { ran: 0, skipped: 0, differed: 0, failed: 0 });

impl Tally {
    /// Adds this to what is told, in one line, when the process ends: behind the test harness's own
    /// result, in which a skipped check counts as passed.
    pub fn tell_at_the_end(self) {
        extern "C" fn tell() {
            let total = *TOTAL.lock().unwrap_or_else(PoisonError::into_inner);
            say(&format!("contract, all in all: {total}"));
        }
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            // SAFETY: the handler is a function of this program, which does not unwind.
            assert_eq!(unsafe { libc::atexit(tell) }, 0, "a handler can be registered");
        });
        *TOTAL.lock().unwrap_or_else(PoisonError::into_inner) += self;
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.ran += other.ran;
        self.skipped += other.skipped;
        self.differed += other.differed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ran, skipped, differed, failed } = self;
        write!(
            formatter,
            "{ran} checks ran, {skipped} were skipped, {differed} differed as listed, {failed} failed"
        )
    }
}
