//! A release that stands still in the middle until the test has seen what it wants to see.

use std::sync::mpsc;

use cuda_primary_context::{Outcome, StrayRelease};

use super::watchdog::before_the_watchdog_bites;
use super::{Machine, RELEASE, outcomes_of};

/// Runs `meanwhile` while another thread releases the stray on device 0: its release waits, just before it
/// acts, with the driver's own lock free. Returns the outcome on device 0.
pub fn while_device_0_is_swept(
    machine: &Machine,
    policy: &StrayRelease,
    meanwhile: impl FnOnce() + Send,
) -> Outcome {
    let (begin, begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    machine.simulator.before_call(RELEASE, 1, move || {
        // The test may have failed by now, and has dropped its ends.
        let _ = begin.send(());
        let _ = may_go_on.recv();
    });
    before_the_watchdog_bites("something waits for the release of device 0", move || {
        std::thread::scope(|scope| {
            let sweep = scope.spawn(|| policy.run(machine.driver).unwrap());
            begun.recv().expect("the hook waits for its call");
            meanwhile();
            assert!(!sweep.is_finished(), "the release stood still meanwhile");
            drop(go_on);
            outcomes_of(&sweep.join().unwrap())[0].clone()
        })
    })
}
