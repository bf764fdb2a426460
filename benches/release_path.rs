//! `retain_only` and the guard's Drop, with none, one and all of the other devices stray.

use criterion::{BatchSize, BenchmarkId, Criterion};

use driver_benchmarks::machine::{Machine, machine, machine_or_chosen};
use driver_benchmarks::twins;
use driver_benchmarks::twins::Twins;

const DEVICES: [u32; 7] = [1, 2, 4, 8, 16, 64, 1024];

pub fn release_path(criterion: &mut Criterion) {
    let mut machines: Vec<Machine> = DEVICES.into_iter().filter_map(machine).collect();
    if machines.is_empty() {
        // A chosen driver with a number of devices that is not in the list.
        machines.push(machine_or_chosen(0));
    }
    for machine in &machines {
        let kept = machine.kept();
        let others: Vec<u32> = (0..machine.devices()).filter(|&device| device != kept).collect();
        // Its context stays: what is measured is the count, not the making of a context.
        machine.stray(&[kept]);
        bench(criterion, machine, "no_stray", &[]);
        if others.len() > 1 {
            bench(criterion, machine, "one_stray", &others[..1]);
        }
        if !others.is_empty() {
            bench(criterion, machine, "all_stray", &others);
        }
        machine.clear(&[kept]);
    }
}

fn bench(criterion: &mut Criterion, machine: &Machine, name: &str, stray: &[u32]) {
    let twins = twins!(machine, machine.kept(), |layer, device| {
        let kept = layer.retain_only(device).expect("the device can be retained");
        layer.release(kept).is_ok()
    });
    let before = || machine.stray(stray);
    twins.compare(machine, before);
    assert_eq!(machine.active(), [machine.kept()], "what was stray is not released");

    let Twins { safe, raw } = twins;
    let mut group = criterion.benchmark_group(format!("release_path/{name}"));
    let devices = machine.devices();
    macro_rules! bench {
        ($variant:ident) => {
            let id = BenchmarkId::new(stringify!($variant), devices);
            group.bench_function(id, |bencher| match stray {
                [] => bencher.iter(&$variant),
                // The contexts come back outside of the timing.
                _ => bencher.iter_batched(before, |()| $variant(), BatchSize::PerIteration),
            });
        };
    }
    bench!(raw);
    bench!(safe);
}
