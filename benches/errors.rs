//! Making an error from a refused call, and writing its text.

use criterion::Criterion;
use cuda_primary_context::sys::{CUdevice_attribute, CUresult};

use driver_benchmarks::machine::machine_or_chosen;
use driver_benchmarks::twins;
use driver_benchmarks::twins::Twins;

/// No driver knows it, so that the call is refused without a context or a fault.
const UNKNOWN: CUdevice_attribute = CUdevice_attribute(i32::MAX as u32);

pub fn errors(criterion: &mut Criterion) {
    let machine = machine_or_chosen(1);
    let twins = twins!(machine, 0, |layer, device| {
        layer.attribute(device, UNKNOWN).expect_err("no driver knows the attribute")
    });
    let refused = CUresult::CUDA_ERROR_INVALID_VALUE;
    let of_safe = machine.calls_of(|| assert_eq!((twins.safe)().code(), Some(refused)));
    let of_raw = machine.calls_of(|| assert_eq!((twins.raw)(), refused));
    assert_eq!(of_safe, of_raw, "the twins differ in what they call");

    let mut group = criterion.benchmark_group("errors");
    group.bench_function("making/raw", |bencher| bencher.iter(&twins.raw));
    group.bench_function("making/safe", |bencher| bencher.iter(&twins.safe));
    let Twins { safe, raw } = twins;
    let (error, code, device) = (safe(), raw(), machine.raw.device(0));
    assert!(error.to_string().contains("CUDA_ERROR_INVALID_VALUE (1)"));
    assert!(machine.raw.describe(code, device).contains("CUDA_ERROR_INVALID_VALUE (1)"));
    // The raw twin asks the driver for the texts; the crate never does.
    group.bench_function("text/raw", |bencher| {
        bencher.iter(|| machine.raw.describe(code, device));
    });
    group.bench_function("text/safe", |bencher| bencher.iter(|| error.to_string()));
}
