//! The witness before simulated drivers, NVIDIA's and others, in programs of every kind.

mod arena;
mod calls;
mod corrupt_memory;
mod processes;
mod python;
mod references;
mod symbols;
mod unchanged;
