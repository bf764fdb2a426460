//! A driver call that stands still in the middle until the test lets it go on.

use std::sync::mpsc::{self, Receiver, Sender};

use cuda_primary_context::{Outcome, StrayRelease};
use simulated_libcuda::Simulator;

use super::watchdog::before_the_watchdog_bites;
use super::{Machine, RELEASE, outcomes_of};

/// Runs `meanwhile` while another thread releases the stray on device 0, and stands still in the middle.
/// Returns the outcome on device 0.
pub fn while_device_0_is_swept(
    machine: &Machine,
    policy: &StrayRelease,
    meanwhile: impl FnOnce() + Send,
) -> Outcome {
    let release = Stopped::before(&machine.simulator, RELEASE, 1);
    before_the_watchdog_bites("something waits for the release of device 0", || {
        std::thread::scope(|scope| {
            let sweep = scope.spawn(|| policy.run(machine.driver).unwrap());
            release.has_begun();
            meanwhile();
            assert!(!sweep.is_finished(), "the release stood still meanwhile");
            release.go_on();
            outcomes_of(&sweep.join().unwrap())[0].clone()
        })
    })
}

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

    pub fn has_begun(&self) {
        self.begun.recv().expect("the hook waits for its call");
    }

    pub fn go_on(self) {
        drop(self.go_on);
    }
}
