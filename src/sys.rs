//! The raw layer: everything that `cuda.h` declares, as bindgen writes it.
//!
//! Types, constants, enumerations (as newtypes: a value newer than the header stays a number) and
//! the versioned function types `PFN_…` of `cudaTypedefs.h`. With the feature `linked` also the
//! function declarations. Nothing here is written by hand but [`SOURCE`].

/// Which bindings these are and why: `generated from cuda.h 12.9`, or `checked in: ` with a reason.
pub const SOURCE: &str = env!("CUDA_PRIMARY_CONTEXT_BINDINGS");

#[cfg(cuda_header)]
#[allow(missing_docs, missing_debug_implementations)]
#[allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(clippy::all, clippy::multiple_unsafe_ops_per_block, clippy::undocumented_unsafe_blocks)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

#[cfg(not(cuda_header))]
#[rustfmt::skip]
#[allow(missing_docs, missing_debug_implementations)]
#[allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(clippy::all, clippy::multiple_unsafe_ops_per_block,clippy::undocumented_unsafe_blocks)]
mod bindings;

pub use bindings::*;
