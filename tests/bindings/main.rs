//! The bindings and the public types against what is not this crate: the header and a C compiler, NVIDIA's
//! libraries of several generations, the linker, and the Rust compiler, which must refuse wrong programs.

#[path = "../support/mod.rs"]
mod support;

mod against_c;
mod checked_in;
mod driver_generations;
#[cfg(feature = "linked")]
mod linked;
mod must_not_compile;
mod text;
