//! One fault: which call it hits, what that call does, and what it answers.

use simulated_libcuda::{Fault, Simulator};

/// What a failing call answers. The last one is in no header.
pub const CODES: [u32; 15] = [1, 2, 3, 4, 46, 100, 101, 201, 304, 700, 709, 719, 800, 999, 777_777];

/// A kind of fault, wherever it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The call does its work and then reports the failure; else it is refused.
    pub done: bool,
    /// Every later call fails as well.
    pub from_then_on: bool,
    pub code: u32,
}

/// A fault at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injection {
    /// Which of the calls since it was armed, from 1.
    pub call: usize,
    pub kind: Kind,
}

/// Refused and done, once and from then on.
const WAYS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

impl Kind {
    /// Every way with every code.
    pub fn all() -> impl Iterator<Item = Self> {
        let way = |(done, from_then_on)| {
            CODES.into_iter().map(move |code| Self { done, from_then_on, code })
        };
        WAYS.into_iter().flat_map(way)
    }

    /// Every way, each with one code: another one for every turn.
    pub fn in_turn(turn: usize) -> impl Iterator<Item = Self> {
        WAYS.into_iter().enumerate().map(move |(index, (done, from_then_on))| Self {
            done,
            from_then_on,
            code: CODES[(turn + 4 * index) % CODES.len()],
        })
    }

    /// Both effects, once, with one code.
    pub fn once(code: u32) -> [Self; 2] {
        [false, true].map(|done| Self { done, from_then_on: false, code })
    }

    pub fn at(self, call: usize) -> Injection {
        Injection { call, kind: self }
    }
}

impl Injection {
    pub fn arm(self, simulator: &Simulator) {
        let Kind { done, from_then_on, code } = self.kind;
        let fault = Fault::at_call(self.call as u64).code(code);
        let fault = if done { fault.done_then_reported() } else { fault.refused() };
        simulator.inject(if from_then_on { fault.from_then_on() } else { fault.once() });
    }

    /// Whether it hits the call of this index, counted from 0.
    pub fn hits(self, index: usize) -> bool {
        let number = index + 1;
        number == self.call || (self.kind.from_then_on && number > self.call)
    }
}
