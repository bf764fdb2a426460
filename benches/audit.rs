//! The state of every device's primary context.

use criterion::{BenchmarkId, Criterion};

use driver_benchmarks::machine::machine_or_chosen;
use driver_benchmarks::twins;
use driver_benchmarks::twins::Twins;

pub fn audit(criterion: &mut Criterion) {
    let machine = machine_or_chosen(8);
    let devices = machine.devices();
    machine.stray(&[0]);
    let twins =
        twins!(machine, 0, |layer, _device| layer.audit().expect("every state can be read"));
    twins.compare(&machine, || ());
    assert_eq!((twins.safe)().0, 1, "one device is active");

    let Twins { safe, raw } = twins;
    let mut group = criterion.benchmark_group("audit");
    group.bench_function(BenchmarkId::new("raw", devices), |bencher| bencher.iter(&raw));
    group.bench_function(BenchmarkId::new("safe", devices), |bencher| bencher.iter(&safe));
    machine.clear(&[0]);
}
