//! Counts are exact when many threads call at once.

mod driver;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use driver::Library;
use simulated_libcuda::{Knob, Simulator};

const THREADS: u32 = 16;
const ROUNDS: u32 = 5000;

#[test]
fn sixteen_threads_leave_exact_counts() {
    let simulator = Simulator::start(4);
    let library = Library::of(&simulator);
    library.init();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let device = (thread % 4) as i32;
                for _ in 0..ROUNDS {
                    assert_eq!(library.retain(device).0, 0);
                    assert_eq!(library.state(device), (0, 0, 1), "held by this thread");
                    assert_eq!(library.release(device), 0);
                }
                library.retain(device);
            });
        }
    });
    for device in 0..4 {
        assert_eq!(simulator.references(device), THREADS / 4);
    }
    let rounds = u64::from(THREADS * ROUNDS);
    assert_eq!(simulator.count("cuDevicePrimaryCtxRetain"), rounds + u64::from(THREADS));
    assert_eq!(simulator.count("cuDevicePrimaryCtxRelease_v2"), rounds);
    assert_eq!(simulator.total_calls(), 3 * rounds + u64::from(THREADS) + 1);
    assert_eq!(simulator.underflows(), 0);
}

#[test]
fn of_releases_that_race_exactly_as_many_succeed_as_there_are_references() {
    let simulator = Simulator::builder().knob(Knob::ReleaseMicroseconds, 100).start();
    let library = Library::of(&simulator);
    for _ in 0..20 {
        simulator.retain_by_others(0, 5);
        let succeeded = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    if library.release(0) == 0 {
                        succeeded.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(succeeded.into_inner(), 5);
        assert!(!simulator.is_active(0));
    }
    assert_eq!(simulator.underflows(), 20 * u64::from(THREADS - 5));
}

#[test]
fn retains_that_race_activate_once() {
    let simulator = Simulator::builder().knob(Knob::RetainMicroseconds, 2000).start();
    let library = Library::of(&simulator);
    library.init();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || assert_eq!(library.retain(0).0, 0));
        }
    });
    assert_eq!((simulator.references(0), simulator.generation(0)), (THREADS, 1));
    assert_eq!(simulator.memory(0).context_bytes, 524 << 20);
}

/// Whether another call is answered while a thread activates a context for this long.
fn answered_during_an_activation(holds_lock: u64, milliseconds: u64) -> bool {
    let simulator = Simulator::builder()
        .devices(2)
        .knob(Knob::RetainMicroseconds, milliseconds * 1000)
        .knob(Knob::DelayHoldsLock, holds_lock)
        .start();
    let library = Library::of(&simulator);
    library.init();
    let begins = AtomicBool::new(false);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            begins.store(true, Ordering::SeqCst);
            let start = Instant::now();
            library.retain(0);
            ended.store(true, Ordering::SeqCst);
            assert!(start.elapsed() >= Duration::from_millis(milliseconds));
        });
        while !begins.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(100));
        library.state(1);
        !ended.load(Ordering::SeqCst)
    })
}

/// What holds in the end is the order of events; a machine under load gets more time for it.
#[test]
fn a_delay_keeps_others_out_only_if_the_knob_says_so() {
    let shown = |holds_lock, answered| {
        [500, 2000, 8000]
            .into_iter()
            .any(|milliseconds| answered_during_an_activation(holds_lock, milliseconds) == answered)
    };
    assert!(shown(0, true), "nobody gets in");
    assert!(shown(1, false), "somebody gets in");
}

#[test]
fn a_teardown_takes_its_time_only_at_the_last_release() {
    let simulator = Simulator::builder().knob(Knob::ReleaseMicroseconds, 2_000_000).start();
    let library = Library::of(&simulator);
    simulator.retain_by_others(0, 2);
    let times = [0, 1].map(|_| {
        let start = Instant::now();
        library.release(0);
        start.elapsed()
    });
    assert!(times[0] < times[1] && times[1] >= Duration::from_secs(2), "{times:?}");
}
