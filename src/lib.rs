//! CUDA driver bindings, and a safe layer for one job: a process keeps one device's primary context
//! and lets go of the strays that it holds on every other device.
//!
//! ```no_run
//! use cuda_primary_context::{Driver, PrimaryContextGuard};
//!
//! fn main() -> Result<(), cuda_primary_context::Error> {
//!     let driver = Driver::load()?;
//!     let guard = PrimaryContextGuard::retain_only(driver.device(1)?)?;
//!     println!("{}", guard.report()); // a table: every device, its outcome, its driver calls
//!     // … the worker works; the guard holds device 1 …
//!     Ok(())
//! }
//! ```
//!
//! The [`guide`] has a page for each task: find strays, know who made them, release them, test for them,
//! checkpoint a worker, work beside other libraries.
//!
//! # Where stray contexts come from
//! From the worker itself: a thread that was never told its device and so used device 0, a CUDA call
//! made before the device was chosen, a helper for pinned memory, a library that looks at every GPU
//! when it is imported. Each costs several hundred MiB of memory on a GPU that is another worker's.
//! [`PrimaryContextGuard::retain_only`] releases such contexts, [`Driver::primary_contexts`] lists
//! them, and [`StrayRelease::plan`] says what would be released.
//!
//! Such a context counts as *stray* where it is active in this process, on a device that is not kept, and
//! no live handle of this crate is on it: a claim about this crate's handles alone. *Kept* is a device on
//! which nothing is released: the guard's, which is retained, and those that [`StrayRelease::keep`] names,
//! which are left alone and are not retained.
//!
//! They do not come from `fork`. A child forked after `cuInit` gets `CUDA_ERROR_NOT_INITIALIZED` from
//! every call that touches a device, so that nothing can be released there: it gets [`Error::ForkedAfterInit`] from
//! this crate, which names the remedy (see [`fork`]). What the driver does in such a child, and in
//! other cases that its documentation leaves open, was measured: see [`driver_behaviour`].
//!
//! # Promises
//! 1. No leak and no lost reference: whichever driver call fails, the retains that this crate holds
//!    equal the handles alive.
//! 2. Exactly once: each handle releases its one reference once. A failed release hands the handle
//!    back; giving up on it does not release a second time.
//! 3. What is kept or held through this crate is never released. Contexts of other libraries that were
//!    not named *are* what `retain_only` releases.
//! 4. Nothing is hidden: the report has every driver call that was made, in order, with its answer, and
//!    one line for each device that says what is so *now*, as the driver last told.
//! 5. Nothing is created elsewhere: on other devices only `cuDevicePrimaryCtxGetState` and
//!    `cuDevicePrimaryCtxRelease_v2` are called, and one `cuDevicePrimaryCtxRetain` to undo a release
//!    that took a green context's reference.
//! 6. A thread whose current context survives has it current afterwards; one whose context was
//!    destroyed is on the kept one, and the report says so. Drop never changes it.
//! 7. Drop never panics, aborts, prints or allocates. (With the feature `tracing`, what the subscriber
//!    does is the subscriber's.)
//! 8. No code from the driver is undefined behaviour: unknown `CUresult`s keep their number.
//! 9. No driver, a stub driver, a driver too old for a function, no device, a forked child: each is
//!    its own typed error with the fix in its text, never a panic. (Two kinds of forked children look
//!    like fresh processes to everybody: see [`fork`].)
//! 10. It costs what the driver calls cost and one atomic operation for a retain and for a release; no
//!     retain, release or question ever waits for the teardown of another device.
//!
//! Three things no caller of the driver can know, and no promise covers: whether a call that reports
//! an earlier asynchronous failure did its own work all the same, where the state does not tell; whose
//! reference a release takes; and whether another library acts between two calls.
//!
//! # From C to Rust
//!
//! | C | Rust |
//! | --- | --- |
//! | `cuInit`, `cuDeviceGetCount`, `cuDeviceGet` | [`Driver::load`], [`Driver::device`], [`Driver::devices`] |
//! | `cuDriverGetVersion` | [`Driver::version`] |
//! | `cuDeviceGetByPCIBusId` | [`Driver::device_by_pci_bus_id`] |
//! | `cuDeviceGetName`, `cuDeviceGetUuid_v2`, `cuDeviceGetPCIBusId` | [`Device::name`], [`Device::uuid`], [`Device::pci_bus_id`] |
//! | `cuDeviceGetAttribute` | [`Device::attribute`] |
//! | `cuDevicePrimaryCtxRetain` | [`PrimaryContext::retain`], [`PrimaryContext::retain_if_active`] |
//! | `cuDevicePrimaryCtxRelease_v2` | [`PrimaryContext::release`], its Drop, [`PrimaryContextGuard::retain_only`], [`StrayRelease::run`] |
//! | `cuDevicePrimaryCtxGetState` | [`Device::primary_context_state`], [`Driver::primary_contexts`], [`StrayRelease::plan`] |
//! | `cuDevicePrimaryCtxSetFlags_v2` | [`Device::set_primary_context_flags`] |
//! | `cuDevicePrimaryCtxReset_v2` | [`Device::reset_primary_context`] (unsafe; `retain_only` never resets) |
//! | `cuCtxPushCurrent_v2`, `cuCtxPopCurrent_v2` | [`PrimaryContext::make_current`], [`CurrentContext`] |
//! | `cuCtxGetCurrent`, `cuCtxGetDevice`, `cuCtxSetCurrent`, `cuCtxGetApiVersion` | made by [`PrimaryContextGuard::retain_only`], for the calling thread |
//! | `cuCheckpointProcessLock`, `…Checkpoint`, `…Restore`, `…Unlock`, `…GetState` | [`checkpoint`] (Linux) |
//! | `cuGetErrorName` | [`sys::CUresult::name`], a table of the crate's own |
//! | everything else | [`sys`], by [`Driver::function`] (`cuGetProcAddress`) |
//!
//! # Features, platforms, drivers
//!
//! | feature | what it does |
//! | --- | --- |
//! | `bindgen` (default) | generates [`sys`] from the `cuda.h` that is found when the crate is built; without one, or without the feature, checked-in bindings are used and nothing but Rust is needed |
//! | `nvml` | `checkpoint::nvml`: what a process has on each device, and whether there is room to restore it |
//! | `serde` | reports, plans, audits and errors serialise |
//! | `tracing` | an event for every release, skip and failure; see [`TRACING_TARGET`] |
//! | `linked` | declares the driver's functions in [`sys`] and links against `libcuda` |
//!
//! It is tested on Linux, on x86-64, and on aarch64 under QEMU; for Windows it only compiles, without what is Linux's
//! (`checkpoint`, device files). The oldest driver that works is that of CUDA 11.0 (450), and checkpoints need
//! that of CUDA 12.8; an older one, or one that lacks a function, is an error of its own
//! ([`Error::DriverTooOld`], [`Error::FunctionMissing`]). The driver is looked for at run time: the machine
//! that builds a program needs none.
//!
//! [`building`] says how a header is found, [`driver_behaviour`] what the driver was measured to do. The
//! package `simulated-libcuda` beside this one is a `libcuda.so.1` for tests on machines without a
//! GPU.
//!
//! # What it does not do
//! No kernels, memory, streams or modules in the safe layer; no CUDA runtime API; no `cuCtxCreate`.
//! It does not say how much memory a release gave back (nobody but the driver knows), and does not
//! close what a forked child inherited.
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
