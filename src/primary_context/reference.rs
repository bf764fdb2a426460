//! Giving one reference back, and undoing what a release does to a green context.

use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::error::Error;
use crate::sys::{CUresult, functions};

/// What a release left of a handle's reference.
pub(crate) enum GivenBack {
    /// It is gone.
    Yes,
    /// It is gone, or nobody's any more, although a call failed.
    WithError(Error),
    /// The driver still has it, as far as is known.
    No(Error),
}

/// After a failed release, the state of the context decides.
#[cold]
pub(crate) fn after_failure(device: Device, release: Call) -> GivenBack {
    let (state, _, active) = device.call_get_state();
    let active = state.is_success().then_some(active);
    match undo_for_green_context(device, release, active) {
        // The reference is the green context's now, which had lost its own.
        Some(undo) if undo.is_success() => GivenBack::Yes,
        Some(undo) => GivenBack::WithError(device.error(undo)),
        // Nobody holds a reference to a context that does not exist.
        None if active == Some(false) => GivenBack::WithError(device.error(release)),
        None => GivenBack::No(device.error(release)),
    }
}

/// Retains once after a release that returned 800, unless the context is inactive or the driver has no green
/// contexts. Returns the result of that retain.
///
/// A green context holds one ordinary reference. If a release takes the last one while a green context is
/// alive, driver 580 returns 800, takes it all the same and leaves the context active for good: destroying
/// the green context finds nothing to give back. One retain puts that right, and the context then goes
/// with the green one. A driver without green contexts that returns 800 has refused the release.
pub(crate) fn undo_for_green_context(
    device: Device,
    release: Call,
    active: Option<bool>,
) -> Option<Call> {
    let introduced = functions::cuGreenCtxCreate_v12040.introduced();
    let took_it = release.code == CUresult::CUDA_ERROR_NOT_PERMITTED
        && active != Some(false)
        && device.driver().version() >= introduced;
    took_it.then(|| device.call_retain().0)
}
