//! An event for what Drop could not do, with the feature `tracing`; without it, nothing.

use crate::driver::device::Device;
use crate::error::Error;

/// The target of every event that the feature `tracing` sends.
///
/// For each device of a report one event with the fields `device` (the ordinal) and `outcome`
/// ([`Outcome::kind`](crate::Outcome::kind)): at `info` with `releases` where references were released or
/// others still hold the device, a green context among them; at `warn` with `code`, `releases`, `active`
/// (if the driver told) and `error` where a call failed; at `debug` otherwise, with `handles` where handles
/// of this crate hold it. Then one where the calling thread's current context is another: `info` with
/// `from` and `to` (if a device is kept), or `warn` with `from` and `error`. And a `warn` with `device`,
/// `code` and `name` (if the code is a known one) for a handle whose release failed when it was dropped, or
/// that was given up on with its [`ReleaseError`](crate::ReleaseError).
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
