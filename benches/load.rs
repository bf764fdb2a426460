//! From nothing to a driver whose devices can be used: each time a library that nobody has loaded.

use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use cuda_primary_context::Driver;
use simulated_libcuda::Simulator;

use driver_benchmarks::machine::chosen_library;
use driver_benchmarks::raw::Raw;

const DEVICES: u32 = 8;

pub fn load(criterion: &mut Criterion) {
    if chosen_library().is_some() {
        println!("load: skipped, for a driver that is chosen is loaded once in a process");
        return;
    }
    assert_eq!(calls_of(safe), calls_of(raw), "the twins differ in what they call");

    let mut group = criterion.benchmark_group("load");
    // Every copy stays mapped, so that there should be few.
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_millis(10));
    macro_rules! bench {
        ($variant:ident) => {
            group.bench_function(stringify!($variant), |bencher| {
                let load = |simulator: Simulator| {
                    let devices = $variant(simulator.path());
                    (devices, simulator)
                };
                bencher.iter_batched(fresh, load, BatchSize::PerIteration);
            });
        };
    }
    bench!(raw);
    bench!(safe);
}

/// A copy of the library that no benchmark has initialised.
fn fresh() -> Simulator {
    Simulator::builder().devices(DEVICES).visible_devices(None).start()
}

/// The functions that it calls, with the device that each is about.
fn calls_of(load: fn(&Path) -> u32) -> Vec<(&'static str, Option<u32>)> {
    let simulator = fresh();
    simulator.record_calls(true);
    assert_eq!(load(simulator.path()), DEVICES);
    simulator.calls().iter().map(|call| (call.function, call.device)).collect()
}

fn safe(path: &Path) -> u32 {
    // SAFETY: it is the simulated driver.
    let driver = unsafe { Driver::load_from(path) }.expect("the simulator loads");
    let state = driver.device(0).and_then(|device| device.primary_context_state());
    assert!(state.is_ok_and(|state| !state.active));
    driver.device_count()
}

fn raw(path: &Path) -> u32 {
    let driver = Raw::load(path).expect("the simulator loads");
    assert_eq!(driver.is_active(driver.device(0)), Ok(false));
    driver.devices.len() as u32
}
