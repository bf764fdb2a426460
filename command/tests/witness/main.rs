//! The witness before simulated drivers, NVIDIA's and others, in programs of every kind.

mod arena;
mod calls;
mod corrupt_memory;
mod deny;
mod processes;
mod python;
mod references;
#[path = "../../../tests/support/skips.rs"]
mod skips;
mod symbols;
mod traced;
mod unchanged;
