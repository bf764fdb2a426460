//! The witness before simulated drivers, NVIDIA's and others, in programs of every kind.

mod arena;
mod calls;
mod corrupt_memory;
#[path = "../support/limit.rs"]
mod limit;
mod processes;
#[path = "../support/programs.rs"]
mod programs;
mod python;
mod references;
#[path = "../../../tests/support/skips.rs"]
mod skips;
mod symbols;
#[path = "../support/traced.rs"]
mod traced;
mod unchanged;
