//! CUDA driver bindings, and a safe layer with which a process keeps one device's primary context and releases
//! the strays that it holds on all other devices.
//!
//! ```no_run
//! use cuda_primary_context::{Driver, PrimaryContextGuard};
//!
//! fn main() -> Result<(), cuda_primary_context::Error> {
//!     let driver = Driver::load()?;
//!     let guard = PrimaryContextGuard::retain_only(driver.device(1)?)?;
//!     println!("{}", guard.report()); // a summary, and a table with the outcome of every device
//!     // The worker works here. The guard holds device 1.
//!     Ok(())
//! }
//! ```
//!
//! **A released reference may belong to another library.** If it was the last one and that library still uses
//! the device, its data is lost or the process crashes. Read
//! [`PrimaryContextGuard::retain_only`] before you call it.
//!
//! The [`guide`] has a page for each task: find strays and who made them, release them, test for them, checkpoint a
//! worker, work beside other libraries.
//!
//! # Where stray contexts come from
//! From the worker itself: a thread that selected no device and so used device 0, a CUDA call before the
//! device was selected, a helper for pinned memory, a library that looks at every GPU when it is imported.
//! Each costs several hundred MiB of memory on a GPU that belongs to another worker.
//!
//! A context is a *stray* if it is active in this process on a device that is not
//! kept, and no live handle of this crate is on it. A device is *kept* if nothing is released on it: the
//! guard's device, which is retained, and those that [`StrayRelease::keep`] names, which are left alone.
//!
//! Strays do not come from [`fork`]: in a child that was forked after `cuInit`, every driver call fails.
//!
//! # Promises
//! 1. No leak and no lost reference, whichever driver call fails: the references that this crate holds
//!    equal the handles that are alive. Assumption: a release that returns `CUDA_ERROR_NOT_PERMITTED` from
//!    CUDA 12.4 or newer took the reference of a *green context* (one that uses some of a device's
//!    multiprocessors and holds a reference on its primary context), unless the context is inactive
//!    afterwards. An older driver has refused it.
//! 2. Each handle releases its reference once. A failed release returns the handle. If you drop the error
//!    instead, nothing is released a second time.
//! 3. What you keep or hold through this crate is never released. `retain_only` does release contexts of other
//!    libraries, unless you name them.
//! 4. The report has every driver call in order with its result, and the state of every device afterwards.
//! 5. Nothing is created on other devices: only `cuDevicePrimaryCtxGetState` and
//!    `cuDevicePrimaryCtxRelease_v2` are called there, and one `cuDevicePrimaryCtxRetain` to undo a release
//!    that took a green context's reference.
//! 6. A current context that survives stays current. If a thread's context was destroyed, the kept device's
//!    context is current there, and the report says so. Drop never changes it.
//! 7. Drop never panics, aborts, prints or allocates. (With the feature `tracing`, the program's subscriber may.)
//! 8. No code from the driver is undefined behaviour: unknown `CUresult`s keep their number.
//! 9. No driver, a stub, an old driver, no device, a forked child: each is a typed error with the remedy in
//!    its text, never a panic. (Two kinds of forked children look like new processes: see [`fork`].)
//! 10. Each retain or release costs one atomic operation and never waits for another device's context to be
//!     destroyed.
//! 11. The trace (`cuda-contexts trace`, in the repository's `command/`) changes no program, and its gates
//!     fail closed: `--forbid` and `--deny` succeed only if everything was seen and judged.
//! 12. A controller of checkpoints that dies or is interrupted, by whatever exception, leaves no process
//!     locked or checkpointed that it could have brought back.
//!
//! The driver does not return three things, and no promise covers them:
//! - whether a call that reports an earlier asynchronous failure did its own work, if the state does not show it;
//! - whose reference a release takes;
//! - whether another library acts between two calls.
//!
//! # Stability
//! Public enums, and structs with public fields, are `#[non_exhaustive]`: variants and fields may be added. The
//! fields of an existing variant do not change, so that variants can be created and matched completely. The
//! structs that callers create are complete: `GpuPair` and `DeviceRoom` of [`checkpoint`], and those of `checkpoint::nvml`.
//!
//! # From C to Rust
//! Each C name links to NVIDIA's page.
//!
//! | C | Rust |
//! | --- | --- |
//! | [`cuInit`][init], [`cuDeviceGetCount`][device], [`cuDeviceGet`][device] | [`Driver::load`], [`Driver::device`], [`Driver::devices`] |
//! | [`cuDriverGetVersion`][version] | [`Driver::version`] |
//! | [`cuDeviceGetByPCIBusId`][device] | [`Driver::device_by_pci_bus_id`] |
//! | [`cuDeviceGetName`][device], [`cuDeviceGetUuid_v2`][device], [`cuDeviceGetPCIBusId`][device] | [`Device::name`], [`Device::uuid`], [`Device::pci_bus_id`] |
//! | [`cuDeviceGetAttribute`][device], [`cuDeviceTotalMem_v2`][device] | [`Device::attribute`], [`Device::compute_capability`], [`Device::total_memory`] |
//! | [`cuDevicePrimaryCtxRetain`][primary] | [`PrimaryContext::retain`], [`PrimaryContext::retain_if_active`] |
//! | [`cuDevicePrimaryCtxRelease_v2`][primary] | [`PrimaryContext::release`], its Drop, [`PrimaryContextGuard::retain_only`], [`StrayRelease::run`] |
//! | [`cuDevicePrimaryCtxGetState`][primary] | [`Device::primary_context_state`], [`Driver::primary_contexts`], [`StrayRelease::plan_retain_only`] |
//! | [`cuDevicePrimaryCtxSetFlags_v2`][primary] | [`Device::set_primary_context_flags`] |
//! | [`cuDevicePrimaryCtxReset_v2`][primary] | [`Device::reset_primary_context`] (unsafe; `retain_only` never resets) |
//! | [`cuCtxPushCurrent_v2`][context], [`cuCtxPopCurrent_v2`][context] | [`PrimaryContext::make_current`], [`CurrentContext`] |
//! | [`cuCtxSetCurrent`][context] | [`PrimaryContext::bind_to_thread`] |
//! | [`cuCtxGetCurrent`][context], [`cuCtxGetDevice`][context], [`cuCtxGetApiVersion`][context] | called by [`PrimaryContextGuard::retain_only`], for the calling thread |
//! | [`cuCheckpointProcessLock`][checkpoint], `…Checkpoint`, `…Restore`, `…Unlock`, `…GetState` | [`checkpoint`] (Linux) |
//! | everything else | [`sys`], by [`Driver::function`] ([`cuGetProcAddress`][entry]) |
//!
//! [init]: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__INITIALIZE.html
//! [version]: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__VERSION.html
//! [device]: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__DEVICE.html
//! [primary]: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__PRIMARY__CTX.html
//! [context]: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__CTX.html
//! [checkpoint]: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__CHECKPOINT.html
//! [entry]: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__DRIVER__ENTRY__POINT.html
//!
//! # Features, platforms, drivers
//!
//! | feature | what it does |
//! | --- | --- |
//! | `bindgen` (default) | generates [`sys`] from the `cuda.h` that is found when the crate is built. A header older than the checked-in bindings is passed over (12.9 is). Without a header, or without the feature, the checked-in bindings are used and nothing but Rust is needed |
//! | `nvml` | `checkpoint::nvml`: how much memory a process has on each device, and whether there is room to restore it |
//! | `serde` | reports, plans, audits and errors serialise |
//! | `tracing` | sends an event for every release, skip and failure; see [`TRACING_TARGET`] |
//! | `linked` | declares the driver's functions in [`sys`] and links against `libcuda` |
//!
//! It is tested on Linux, on x86-64, and on aarch64 under QEMU; on GPUs, only driver generation 580 was tried. For
//! Windows it only compiles, without the parts for Linux (`checkpoint`, device files). The oldest driver that works is
//! that of CUDA 11.0 (450), and checkpoints need that of CUDA 12.8. The driver is loaded at run time: the machine that
//! builds a program needs none.
//!
//! [`building`] describes how a header is found, and [`driver_behaviour`] what the driver was measured to do.
//!
//! # What it does not do
//! No kernels, memory, streams or modules in the safe layer; no CUDA runtime API; no `cuCtxCreate`.
//! It does not report how much memory a release freed, because the driver does not return that. It does not
//! close files that a forked child inherited.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc = include_str!("building.md")]
pub mod building {}
#[cfg(target_os = "linux")]
pub mod checkpoint;
mod driver;
#[doc = include_str!("driver_behaviour.md")]
pub mod driver_behaviour {}
mod error;
pub mod fork;
pub mod guide;
#[cfg(all(test, loom))]
#[path = "../tests/interleavings/mod.rs"]
mod interleavings;
mod primary_context;
mod retain_only;
mod sync;
pub mod sys;

pub use driver::Driver;
pub use driver::calls::Call;
pub use driver::device::Device;
pub use driver::holders::Holder;
pub use driver::uuid::{ParseUuidError, Uuid};
pub use error::{Attempt, Error};
pub use primary_context::{
    CurrentContext, PrimaryContext, PrimaryContextState, PrimaryContexts, ReleaseError,
    TRACING_TARGET,
};
pub use retain_only::{
    CurrentContextChange, DeviceReport, Outcome, Plan, Planned, PrimaryContextGuard, Report,
    StrayRelease,
};
pub use sys::CudaVersion;
pub use sys::function::{Function, FunctionPointer};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
