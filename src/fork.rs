//! CUDA and `fork`: what a worker process should know about how it was started.
//!
//! A child that was forked after the parent called `cuInit` cannot use the driver: every call, `cuInit` too,
//! returns `CUDA_ERROR_NOT_INITIALIZED`. Nothing can be released there, and the parent's handles cannot be
//! used. This crate returns [`Error::ForkedAfterInit`](crate::Error::ForkedAfterInit) without a driver call,
//! and drops handles without one. Start workers with spawn or exec, or fork before CUDA is used: `import
//! torch` does not use it, `torch.cuda.is_available()` does.
//!
//! The child inherits the parent's open `/dev/nvidia*` files (23 with driver 580). They keep the parent's GPU memory in
//! use, even after the parent has exited, until the child closes them, calls exec or exits. [`device_files`] lists
//! them (Linux).
//!
//! Two kinds of children look like new processes, to this crate as to any other caller of the driver:
//!
//! - If `cuInit` of other code had found no device in the parent, driver 580 ends the child by SIGSEGV when it
//!   calls `cuInit`, as [`Driver::load`](crate::Driver::load) does. Older drivers return
//!   `CUDA_ERROR_NO_DEVICE` (to 535) or `CUDA_ERROR_OPERATING_SYSTEM` (550), as seen without a GPU.
//! - If `cuInit` of other code had failed because of its flags, the child can use the driver. One release more
//!   than there are references ends it by SIGSEGV ([`driver_behaviour`](crate::driver_behaviour)).
//!
//! A `cuInit` by this crate in the parent is recognised in the child, whatever it returned.

#[cfg(target_os = "linux")]
mod device_files;

#[cfg(target_os = "linux")]
pub use device_files::{DeviceFile, device_files, device_files_of};

/// Returns whether this process was forked, by any means, from one in which this crate had called `cuInit`.
/// Makes no driver call. Always false on Windows, which has no `fork`.
///
/// On kernels before 4.14, and under emulators that pass over `MADV_WIPEONFORK`, the child of a bare `clone` is
/// missed if both have the same process id, as they can in PID namespaces.
///
/// A `cuInit` of other code is shown by the error of [`Driver::load`](crate::Driver::load), and by `device_files` that
/// are open before this process uses CUDA.
pub fn forked_after_init() -> bool {
    crate::driver::initialise::is_child_of_initialised()
}
