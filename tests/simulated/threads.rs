//! Threads that keep, retain and release at the same time as others leave strays: what is held through the crate
//! is never released, and the counts are exact at the end.

use std::sync::Barrier;
use std::thread;

use crate::support::watchdog::before_the_watchdog_bites;
use crate::support::{machine, releases_up_to};
use cuda_primary_context::{PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::Knob;

const DEVICES: u32 = 8;
const ROUNDS: u32 = 200;

/// The simulated driver knows whose each reference is: no run takes one of a handle that is alive.
#[test]
fn no_thread_releases_what_another_holds() {
    let machine = machine(DEVICES);
    // Long enough for other threads to act in the middle of a release.
    machine.simulator.set_knob(Knob::ReleaseMicroseconds, 20);
    let together = Barrier::new(2 * DEVICES as usize);
    let keeps_its_own = |number: u32| {
        let next = machine.device((number + 1) % DEVICES);
        together.wait();
        machine.simulator.acting_as("keeper", || {
            for _ in 0..ROUNDS {
                let guard = PrimaryContextGuard::retain_only(machine.device(number)).unwrap();
                guard.report().check().unwrap();
                let kept = machine.simulator.generation(number);
                let context = PrimaryContext::retain(next).unwrap();
                let held = machine.simulator.generation(next.ordinal());
                thread::yield_now();
                assert_eq!(machine.simulator.generation(next.ordinal()), held, "the same context");
                context.release().unwrap();
                assert_eq!(machine.simulator.generation(number), kept, "the same context");
                guard.release().unwrap();
            }
        });
    };
    let leaves_strays = |number: u32| {
        together.wait();
        for _ in 0..ROUNDS {
            machine.simulator.retain_by("stray", number, 1);
            thread::yield_now();
        }
    };
    before_the_watchdog_bites("threads that keep and threads that leave strays", || {
        thread::scope(|scope| {
            for number in 0..DEVICES {
                scope.spawn(move || keeps_its_own(number));
                scope.spawn(move || leaves_strays(number));
            }
        });
    });
    let rest =
        machine.simulator.acting_as("keeper", || releases_up_to(u32::MAX).run(machine.driver));
    rest.unwrap().check().unwrap();
    for taken in machine.simulator.taken() {
        assert_eq!((&*taken.by, &*taken.from), ("keeper", "stray"));
    }
    assert_eq!(machine.simulator.taken().len() as u32, DEVICES * ROUNDS, "every stray, once");
    assert_eq!(machine.references(), [0; DEVICES as usize]);
    assert!(machine.driver.devices().all(|device| device.handles() == Ok(0)));
    assert_eq!((machine.simulator.underflows(), machine.driver.unreleased()), (0, 0));
}
