//! Many threads on one device: the counts are exact at the end, and nobody waits for ever.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::support::watchdog::before_the_watchdog_bites;
use crate::support::{machine, releases_up_to};
use cuda_primary_context::{PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::Knob;

const THREADS: u32 = 16;
const ROUNDS: u32 = 200;
/// Runs `work` on sixteen threads that begin together, with each thread's number.
fn on_every_thread(work: impl Fn(u32) + Sync) {
    before_the_watchdog_bites("sixteen threads", || {
        let together = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (together, work) = (&together, &work);
                scope.spawn(move || {
                    together.wait();
                    work(number);
                });
            }
        });
    });
}

/// Holders, sweepers and somebody who leaves strays, all on one device. The simulated driver knows whose
/// each reference is: no sweep ever takes a holder's.
#[test]
fn no_sweep_takes_the_reference_of_a_live_handle() {
    const STRAYS: u32 = 100;
    let machine = machine(2);
    machine.simulator.set_knob(Knob::ReleaseMicroseconds, 50);
    let released = AtomicU64::new(0);
    on_every_thread(|number| match number % 4 {
        0 => (0..STRAYS).for_each(|_| {
            machine.simulator.retain_by("stray", 0, 1);
            thread::yield_now();
        }),
        1 => machine.simulator.acting_as("sweeper", || {
            for _ in 0..ROUNDS {
                let guard = PrimaryContextGuard::retain_only_with(
                    machine.device(1),
                    &releases_up_to(1 + number / 4),
                );
                let guard = guard.unwrap();
                guard.report().check().unwrap();
                let outcome = guard.report().devices().next().unwrap().outcome();
                released.fetch_add(outcome.releases().into(), Ordering::Relaxed);
            }
        }),
        _ => machine.simulator.acting_as("holder", || {
            for _ in 0..ROUNDS {
                let context = PrimaryContext::retain(machine.device(0)).unwrap();
                let generation = machine.simulator.generation(0);
                thread::yield_now();
                assert!(context.device().primary_context_state().unwrap().active);
                assert_eq!(machine.simulator.generation(0), generation, "the same context");
                context.release().unwrap();
            }
        }),
    });
    let strays = u64::from(STRAYS * THREADS / 4);
    // What is left, now that nobody holds the device.
    let released = released.into_inner();
    let rest = machine.simulator.acting_as("sweeper", || {
        let report = releases_up_to(u32::MAX).run(machine.driver).unwrap();
        u64::from(report.devices().next().unwrap().outcome().releases())
    });
    assert_eq!((machine.references(), released + rest), (vec![0, 0], strays));
    let taken = machine.simulator.taken();
    for taken in &taken {
        assert_eq!((&*taken.by, &*taken.from), ("sweeper", "stray"));
    }
    assert_eq!(taken.len() as u64, strays, "the reports have every one");
    assert_eq!((machine.device(0).handles(), machine.driver.unreleased()), (Ok(0), 0));
}
