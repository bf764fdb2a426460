//! A driver call that stands still in the middle until the test lets it go on.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::mpsc::{self, Receiver, Sender};

use simulated_libcuda::Simulator;

/// A call that waits, just before it acts, with the driver's own lock free. Dropping this lets it go on,
/// so that a test that fails meanwhile ends.
pub struct Stopped {
    begun: Receiver<()>,
    go_on: Sender<()>,
}

impl Stopped {
    /// The `nth` call of this function from now on.
    pub fn before(simulator: &Simulator, function: &str, nth: u64) -> Self {
        let (begin, begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        simulator.before_call(function, nth, move || {
            // The test may have failed by now.
            let _ = begin.send(());
            let _ = may_go_on.recv();
        });
        Self { begun, go_on }
    }

    /// Waits until the call has been made.
    pub fn has_begun(&self) {
        self.begun.recv().expect("the hook waits for its call");
    }

    /// Lets the call act.
    pub fn go_on(self) {
        drop(self.go_on);
    }
}
