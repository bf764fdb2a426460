//! What the layer costs, beside raw calls: `cargo bench --bench driver_calls`.
//!
//! On the simulated driver, which is almost free, the difference is the layer's; with
//! `CUDA_PRIMARY_CONTEXT_BENCH_DRIVER=real` (or a library's path) the same programs say what the
//! driver costs. Where both variants make the same driver calls, a benchmark checks first that they do,
//! return the same and leave the same behind.

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

mod checkpoint_group;
mod release_path;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// Short, for there are many benchmarks, and none of them does more than a few driver calls.
fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(500))
        .sample_size(50)
        .without_plots()
}

criterion_group! {
    name = benches;
    config = short();
    // The first: it forks before there are threads.
    targets = checkpoint_group::checkpoint_group, release_path::release_path
}
criterion_main!(benches);
