//! An event for what Drop could not do, with the feature `tracing`; without it, nothing.

use crate::driver::device::Device;
use crate::error::Error;

/// The target of every event that the feature `tracing` sends.
///
/// | event | level | fields |
/// | --- | --- | --- |
/// | a device of a report: references were released, or others (a green context, too) still hold it | `info` | `device` (the ordinal), `outcome` ([`Outcome::kind`](crate::Outcome::kind)), `releases` |
/// | a device of a report: a call failed | `warn` | `device`, `outcome`, `code`, `releases`, `active` (if known), `error` |
/// | any other device of a report | `debug` | `device`, `outcome`, and `handles` if handles of this crate hold it |
/// | the calling thread's current context was switched | `info` | `from`, and `to` if a device is kept |
/// | the calling thread's current context was not restored | `warn` | `from`, `error` |
/// | a handle, or its [`ReleaseError`](crate::ReleaseError), was dropped and its release had failed | `warn` | `device`, `code`, `name` (if known) |
pub const TRACING_TARGET: &str = "cuda_primary_context";

/// A reference that could not be given back when a handle was dropped or given up on, or that was gone.
#[cfg(feature = "tracing")]
pub(crate) fn not_released_by_drop(device: Device, error: &Error) {
    let code = error.code();
    tracing::warn!(
        target: TRACING_TARGET,
        device = device.ordinal(),
        code = code.map(|code| code.0),
        name = code.and_then(crate::sys::CUresult::name),
        "a dropped handle could not release its reference"
    );
}

#[cfg(not(feature = "tracing"))]
#[inline]
pub(crate) fn not_released_by_drop(_: Device, _: &Error) {}
