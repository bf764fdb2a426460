//! CUDA and `fork`: what a worker process should know about how it was started.
//!
//! The driver cannot be used in a child that was forked after the parent called `cuInit`. Every call
//! that touches a device answers `CUDA_ERROR_NOT_INITIALIZED` there; `cuInit` does, too. Nothing can be released in such a
//! child, and its copies of the parent's handles stand for nothing: this crate answers
//! [`Error::ForkedAfterInit`](crate::Error::ForkedAfterInit) there without a driver call, and drops
//! them without one. Start workers with spawn or exec, or fork before CUDA is touched: `import
//! torch` does not touch it, `torch.cuda.is_available()` does.
//!
//! What the child does inherit is the parent's open `/dev/nvidia*` files. They keep the parent's GPU
//! memory from being given back, even when the parent is dead, until the child closes them, calls
//! exec or ends; [`device_files`] lists them (Linux).
//!
//! Two kinds of children look like fresh processes, to the driver's callers and to this crate. Where other
//! code's `cuInit` had found no device in the parent, driver 580 ends the child by SIGSEGV when it calls
//! `cuInit`, as [`Driver::load`](crate::Driver::load) does; older drivers answer
//! `CUDA_ERROR_NO_DEVICE` (to 535) or `CUDA_ERROR_OPERATING_SYSTEM` (550), as seen without a GPU. Where other
//! code's `cuInit` had been refused for its flags, the child can use the driver, and dies likewise of one
//! release too many ([`driver_behaviour`](crate::driver_behaviour)). A `cuInit` by this crate in the parent is
//! told in the child, whatever it answered.
//!
//! All the rest was seen with driver 580 on an H200, where a child held 23 such files and the parent's
//! 1.5 GiB after the parent's death.

#[cfg(target_os = "linux")]
mod device_files;

#[cfg(target_os = "linux")]
pub use device_files::{DeviceFile, device_files, device_files_of};

/// Whether this process was forked, by whatever means, from one that had loaded a driver through
/// this crate, or had tried to and come as far as `cuInit`. Calls nothing.
///
/// Where other code had initialised CUDA in the parent, [`Driver::load`](crate::Driver::load) tells,
/// with [`Error::ForkedAfterInit`](crate::Error::ForkedAfterInit); and so do `device_files` that
/// are open before this process has touched CUDA. Windows has no `fork`, and the answer is no there.
#[must_use]
pub fn forked_after_init() -> bool {
    crate::driver::initialise::forked_from(|_| true).is_some()
}
