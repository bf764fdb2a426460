//! `retain_only` and the guard's Drop, with none, one and all of the other devices stray, beside the raw calls.
//!
//! On the simulated driver, which is almost free, the difference is what the crate adds. On the driver that
//! `CUDA_PRIMARY_CONTEXT_BENCH_DRIVER` names, the same benchmarks show what the driver costs.

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use driver_benchmarks::machine::{Machine, machines};
use driver_benchmarks::twins;
use driver_benchmarks::twins::Twins;

fn release_path(criterion: &mut Criterion) {
    for machine in machines(&[1, 2, 8, 64, 1024]) {
        // Its context stays: no context of the kept device is created in the timed part.
        machine.stray(&[machine.kept()]);
        bench(criterion, &machine, "no_stray", &[]);
        if let [first, more @ ..] = &machine.others()[..] {
            bench(criterion, &machine, "one_stray", &[*first]);
            if !more.is_empty() {
                bench(criterion, &machine, "all_stray", &machine.others());
            }
        }
        machine.clear(&[machine.kept()]);
    }
}

fn bench(criterion: &mut Criterion, machine: &Machine, name: &str, stray: &[u32]) {
    let twins = twins!(machine, machine.kept(), |layer, device| {
        let kept = layer.retain_only(device).expect("the device can be retained");
        layer.release(kept).is_ok()
    });
    let before = || machine.stray(stray);
    twins.compare(machine, before);
    assert_eq!(machine.active(), [machine.kept()], "the strays are released");

    let Twins { safe, raw } = twins;
    let mut group = criterion.benchmark_group(format!("release_path/{name}"));
    macro_rules! bench {
        ($variant:ident) => {
            let id = BenchmarkId::new(stringify!($variant), machine.devices());
            group.bench_function(id, |bencher| match stray {
                [] => bencher.iter(&$variant),
                // The strays come back outside of the timing.
                _ => bencher.iter_batched(before, |()| $variant(), BatchSize::PerIteration),
            });
        };
    }
    bench!(raw);
    bench!(safe);
}

/// Short: there are many benchmarks, and each makes a few driver calls.
fn short() -> Criterion {
    let times = (Duration::from_millis(150), Duration::from_millis(500));
    Criterion::default().warm_up_time(times.0).measurement_time(times.1).without_plots()
}

criterion_group! {
    name = benches;
    config = short();
    targets = release_path
}
criterion_main!(benches);
