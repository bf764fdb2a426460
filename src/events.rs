//! Events for the `tracing` ecosystem, with the feature of that name; without it, nothing.
//!
//! None is sent under the driver's lock: what receives them is the user's code, and may call this
//! crate.

use crate::device::Device;
use crate::report::Report;
use crate::sys::CUresult;

/// One event for every device of a report: what was released, what was left alone, what failed.
#[cfg(feature = "tracing")]
pub(crate) fn released(report: &Report) {
    use crate::report::{CurrentContextChange, Outcome};
    use tracing::{debug, info, warn};

    for line in report.devices() {
        let (device, outcome) = (line.ordinal(), line.outcome());
        let kind = outcome.kind();
        match outcome {
            Outcome::Released { releases } => {
                info!(device, outcome = kind, releases, "stale primary context released");
            }
            Outcome::StillActive { releases } => {
                info!(device, outcome = kind, releases, "primary context still held by others");
            }
            Outcome::HeldHere { handles } => {
                debug!(device, outcome = kind, handles, "primary context held by live handles");
            }
            Outcome::Failed(error) => {
                let code = error.code().map(|code| code.0);
                warn!(device, outcome = kind, code, %error, "primary context not released");
            }
            Outcome::Kept | Outcome::AlreadyInactive => {
                debug!(device, outcome = kind, "nothing to release");
            }
        }
    }
    match report.current_context() {
        CurrentContextChange::Unchanged => {}
        CurrentContextChange::Switched { from } => {
            let (from, to) = (from.map(Device::ordinal), report.kept().ordinal());
            info!(from, to, "the thread's current context was switched");
        }
        CurrentContextChange::NotRestored(error) => {
            warn!(%error, "the thread's current context was not restored");
        }
    }
}

#[cfg(not(feature = "tracing"))]
#[inline]
pub(crate) fn released(_: &Report) {}

/// A reference that a dropped handle could not give back, or that was gone.
#[cfg(feature = "tracing")]
pub(crate) fn not_released_by_drop(device: Device, code: CUresult) {
    let name = code.name();
    tracing::warn!(
        device = device.ordinal(),
        code = code.0,
        name,
        "a dropped handle could not release its reference"
    );
}

#[cfg(not(feature = "tracing"))]
#[inline]
pub(crate) fn not_released_by_drop(_: Device, _: CUresult) {}
