//! The raw layer: everything that `cuda.h` declares, as bindgen writes it.
//!
//! Types, constants, enumerations (as newtypes: a value newer than the header stays a number) and
//! the versioned function types `PFN_…` of `cudaTypedefs.h`. With the feature `linked` also the
//! function declarations. By hand are only [`SOURCE`], the methods and texts of [`CUresult`], and `|` and the
//! text of [`CUctx_flags`].
//!
//! # Calling a function
//! [`Driver::function`](crate::Driver::function) gives any function of [`functions`] as a plain
//! pointer of the header's own type, looked up in the driver that is loaded. A function that the
//! driver lacks is a typed error, and everything else goes on working.
//!
//! With the feature `linked` the functions are declared here as well, under their exact symbols
//! (`cuMemAlloc_v2`), and the program is linked against libcuda (`-lcuda`). Then the program does not start on a
//! machine without `libcuda.so.1`, or with one that lacks a function that the program names. Building needs a
//! `libcuda.so` to link against, such as the toolkit's stub: `RUSTFLAGS="-L native=/usr/local/cuda/lib64/stubs"`. It
//! must not be on `LD_LIBRARY_PATH` when the program runs.
//!
//! The safe layer loads the driver in either case. In one process both ways lead to one driver.

/// Which bindings these are and why: `generated from cuda.h 13.5`, or `checked in: ` with a reason.
///
/// After that, each with `; passed over: ` before it, the hints that led to no header that can
/// be used, and why: a header that was merely found is used only if it has every name of the checked-in
/// bindings, so that the names of this module are the same on every machine. It may have more.
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

mod context_flags;
mod cuda_version;
pub(crate) mod debug;
pub(crate) mod function;
mod result_codes;

pub use bindings::*;
pub use cuda_version::CudaVersion;
