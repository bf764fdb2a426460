//! CUDA driver bindings, and a safe layer for one job: a process keeps one device's primary context
//! and lets go of the stale ones that it holds on every other device.
//!
//! ```no_run
//! use cuda_primary_context::{Driver, Outcome, PrimaryContextGuard};
//!
//! # fn main() -> Result<(), cuda_primary_context::Error> {
//! let driver = Driver::load()?;
//! let guard = PrimaryContextGuard::retain_only(driver.device(1)?)?;
//! for device in guard.report().devices() {
//!     match device.outcome() {
//!         Outcome::Released { releases } => {
//!             println!("device {}: {releases} released", device.ordinal());
//!         }
//!         Outcome::StillActive { .. } => println!("device {}: others hold it", device.ordinal()),
//!         Outcome::Failed(error) => println!("device {}: {error}", device.ordinal()),
//!         _ => {}
//!     }
//! }
//! // … the worker works; the guard holds device 1 …
//! # Ok(())
//! # }
//! ```
//!
//! # Where stray contexts come from
//! From the worker itself: a thread that was never told its device and so used device 0, a CUDA call
//! made before the device was chosen, a helper for pinned memory, a library that looks at every GPU
//! when it is imported. Each costs some hundred MiB of memory on a GPU that is another worker's.
//! [`PrimaryContextGuard::retain_only`] releases such contexts, [`Driver::primary_contexts`] lists
//! them, and [`StaleRelease::plan`] says what would be released.
//!
//! They do not come from `fork`. A child forked after `cuInit` gets `CUDA_ERROR_NOT_INITIALIZED` from
//! every driver call, so that nothing can be released there: it gets [`Error::ForkedAfterInit`] from
//! this crate, which names the remedy (see [`fork`]). What the driver does in such a child, and in
//! other cases that its documentation leaves open, was measured: see [`driver_behaviour`].
//!
//! # Promises
//! 1. No leak and no lost reference: whichever driver call fails, the retains that this crate holds
//!    equal the handles alive.
//! 2. Exactly once: each handle releases its one reference once, and a failed release hands the
//!    handle back.
//! 3. `retain_only` never touches the kept devices, nor a device that a live handle of this crate
//!    holds.
//! 4. One failing device hides nothing: every device has its own line in the report, with every
//!    driver call made for it and its `CUresult`.
//! 5. Nothing is created elsewhere: on other devices only `cuDevicePrimaryCtxGetState` and
//!    `cuDevicePrimaryCtxRelease_v2` are called.
//! 6. The thread's current context is changed in one case alone, when it would be left dangling, and
//!    the report says so. Drop never changes it.
//! 7. Drop never panics, aborts, prints or allocates.
//! 8. No code from the driver is undefined behaviour: unknown `CUresult`s keep their number.
//! 9. No driver, a stub driver, a driver too old for a function, no device, a forked child: each is
//!    its own typed error with the fix in its text, never a panic, never a crash.
//! 10. It costs what the driver calls cost, a lock, some ten nanoseconds, and one or two for each
//!     device.
//!
//! Two things no caller of the driver can know, and no promise covers: whether a call that reports
//! an earlier asynchronous failure did its own work all the same, and whose reference a release
//! takes.
//!
//! # From C to Rust
//!
//! | C | Rust |
//! | --- | --- |
//! | `cuInit`, `cuDeviceGetCount`, `cuDeviceGet` | [`Driver::load`], [`Driver::device`], [`Driver::devices`] |
//! | `cuDriverGetVersion` | [`Driver::version`] |
//! | `cuDeviceGetName`, `cuDeviceGetUuid_v2`, `cuDeviceGetPCIBusId` | [`Device::name`], [`Device::uuid`], [`Device::pci_bus_id`] |
//! | `cuDeviceGetAttribute` | [`Device::attribute`] |
//! | `cuDevicePrimaryCtxRetain` | [`PrimaryContext::retain`], [`PrimaryContext::retain_if_active`] |
//! | `cuDevicePrimaryCtxRelease_v2` | [`PrimaryContext::release`], its Drop, [`PrimaryContextGuard::retain_only`] |
//! | `cuDevicePrimaryCtxGetState` | [`Device::primary_context_state`], [`Driver::primary_contexts`], [`StaleRelease::plan`] |
//! | `cuDevicePrimaryCtxSetFlags_v2` | [`Device::set_primary_context_flags`] |
//! | `cuDevicePrimaryCtxReset_v2` | [`Device::reset_primary_context`] (unsafe; `retain_only` never resets) |
//! | `cuCtxPushCurrent_v2`, `cuCtxPopCurrent_v2` | [`PrimaryContext::make_current`], [`CurrentContext`] |
//! | `cuGetErrorName` | [`sys::CUresult::name`], a table of the crate's own |
//! | everything else | [`sys`] |
//!
//! # What it does not do
//! No kernels, memory, streams or modules in the safe layer; no CUDA runtime API; no `cuCtxCreate`.
//! It does not say how much memory a release gave back (nobody but the driver knows), and does not
//! close what a forked child inherited.

mod append_only;
mod audit;
mod current_context;
mod device;
mod driver;
#[doc = include_str!("driver_behaviour.md")]
pub mod driver_behaviour {}
mod entry_points;
mod error;
mod events;
pub mod fork;
mod ledger;
mod library;
mod line;
mod loaded;
mod primary_context;
mod raw_function;
mod report;
mod result_codes;
mod retain_only;
#[cfg(feature = "serde")]
mod serialize;
mod stale_release;
mod sweep;
pub mod sys;

pub use audit::PrimaryContexts;
pub use current_context::CurrentContext;
pub use device::{Device, Uuid};
pub use driver::Driver;
pub use error::{Attempt, Error};
pub use primary_context::{PrimaryContext, PrimaryContextState};
pub use raw_function::{Function, FunctionPointer};
pub use report::{Call, CurrentContextChange, DeviceReport, Outcome, Report};
pub use retain_only::PrimaryContextGuard;
pub use stale_release::{Plan, Planned, StaleRelease};

/// What the modules use that loom goes through.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicPtr, Ordering};
    pub(crate) use std::sync::{Mutex, MutexGuard, TryLockError};
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
