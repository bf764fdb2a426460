//! Stale contexts on several devices, each of which takes its time to go: one after the other, and
//! on several threads; with a driver that tears down one at a time, and with one that does not.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion};
use cuda_primary_context::{PrimaryContextGuard, StaleRelease};
use simulated_libcuda::{Knob, Simulator};

use crate::support::machine::{chosen_library, machine_from};

/// A worker's machine, as many have it.
const DEVICES: u32 = 8;

/// What one teardown takes: a tenth of what it took on an H200 (54 ms), to have an answer soon.
const TEARDOWN: Duration = Duration::from_micros(5400);

pub fn several_devices(criterion: &mut Criterion) {
    if chosen_library().is_some() {
        println!("several_devices: skipped, for only the simulated driver has such a setting");
        return;
    }
    for (name, holds_lock) in [("driver_in_parallel", 0), ("driver_one_at_a_time", 1)] {
        let builder = Simulator::builder()
            .knob(Knob::ReleaseMicroseconds, TEARDOWN.as_micros() as u64)
            .knob(Knob::DelayHoldsLock, holds_lock);
        let machine = machine_from(DEVICES, builder).expect("no driver was chosen");
        let others: Vec<u32> = (0..DEVICES).filter(|&device| device != machine.kept()).collect();
        machine.stray(&[machine.kept()]);
        let kept = machine.safe.device(machine.kept());

        let mut group = criterion.benchmark_group(format!("several_devices/{name}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(1));
        group.measurement_time(Duration::from_millis(100));
        for threads in [1, 2, 4, 7] {
            let policy = StaleRelease::new().threads(threads);
            group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
                let release = |()| {
                    let guard = PrimaryContextGuard::retain_only_with(kept, &policy);
                    guard.expect("the device can be retained")
                };
                bencher.iter_batched(|| machine.stray(&others), release, BatchSize::PerIteration);
            });
            assert_eq!(machine.active(), [machine.kept()], "what was stale is not released");
        }
    }
}
