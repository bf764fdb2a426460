//! One retain and its release.

use criterion::Criterion;

use driver_benchmarks::machine::machine_or_chosen;
use driver_benchmarks::twins;
use driver_benchmarks::twins::Twins;

pub fn primary_context(criterion: &mut Criterion) {
    let machine = machine_or_chosen(1);
    // Its context stays: what is measured is the count, not the making of a context.
    machine.stray(&[0]);
    let twins = twins!(machine, 0, |layer, device| {
        let context = layer.retain(device).expect("the device can be retained");
        layer.release(context).is_ok()
    });
    twins.compare(&machine, || ());
    assert_eq!(machine.active(), [0]);

    let Twins { safe, raw } = twins;
    let mut group = criterion.benchmark_group("primary_context");
    group.bench_function("raw", |bencher| bencher.iter(&raw));
    group.bench_function("safe", |bencher| bencher.iter(&safe));
    machine.clear(&[0]);
}
