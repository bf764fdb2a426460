//! A fault at every driver call of every public operation.
//!
//! The first call of an operation fails, then the second, until an operation ends before its turn: refused,
//! or done and then reported as failed; once, or every call from then on. What must hold afterwards follows
//! from the driver's own log and counts (`trial`), and from nothing that this crate says.
//!
//! Each scene gets three of the codes in turn.

mod operations;
mod scene;
mod sweeps;
mod trial;

use simulated_libcuda::Fault;

/// What failing calls return: ordinary failures, those with a meaning of their own, and one that no header
/// has.
pub const CODES: [u32; 9] = [2, 3, 4, 201, 709, 719, 800, 999, 777_777];

/// A fault, wherever it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The call acts, and then reports the failure.
    pub done: bool,
    pub from_then_on: bool,
    pub code: u32,
}

/// A fault at one call, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injection {
    pub call: usize,
    pub kind: Kind,
}

impl Kind {
    /// Every way to fail, with three codes that change from turn to turn.
    pub fn of_turn(turn: usize) -> Vec<Self> {
        let codes = (0..3).map(|index| CODES[(3 * turn + index) % CODES.len()]);
        let ways = |code| {
            [(false, false), (true, false), (false, true), (true, true)]
                .map(|(done, from_then_on)| Self { done, from_then_on, code })
        };
        codes.flat_map(ways).collect()
    }

    pub fn at(self, call: usize) -> Injection {
        Injection { call, kind: self }
    }
}

impl Injection {
    pub fn fault(self) -> Fault {
        let Kind { done, from_then_on, code } = self.kind;
        let fault = Fault::at_call(self.call as u64).code(code);
        let fault = if done { fault.done_then_reported() } else { fault.refused() };
        if from_then_on { fault.from_then_on() } else { fault.once() }
    }

    /// Whether it hits the call of this number.
    pub fn hits(self, call: usize) -> bool {
        call == self.call || (self.kind.from_then_on && call > self.call)
    }
}

/// Runs a trial without a fault, then with each of these at the first call, the second, until none is hit.
/// `trial` returns how many faults were hit. Returns the number of trials with a hit.
pub fn at_every_call(kinds: &[Kind], mut trial: impl FnMut(&[Injection]) -> usize) -> usize {
    assert_eq!(trial(&[]), 0);
    let mut trials = 0;
    for kind in kinds {
        let hits = (1..).take_while(|&call| trial(&[kind.at(call)]) > 0).count();
        assert!(hits > 0, "there is a call that can fail");
        trials += hits;
    }
    trials
}
