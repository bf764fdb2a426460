//! Events for the `tracing` ecosystem, with the feature of that name; without it, nothing.
//!
//! None is sent while a run has exclusive access to a device: the subscriber is the user's code, and may
//! call this crate.

use crate::retain_only::report::Report;

/// One event for every device of a report: what was released, what was left alone, what failed.
#[cfg(feature = "tracing")]
pub(super) fn released(report: &Report) {
    use crate::driver::device::Device;
    use crate::primary_context::TRACING_TARGET;
    use crate::retain_only::outcome::{CurrentContextChange, Outcome};
    use tracing::{debug, info, warn};

    for line in report.devices() {
        let (device, outcome) = (line.ordinal(), line.outcome().kind());
        match line.outcome() {
            Outcome::Released { releases } => {
                info!(target: TRACING_TARGET, device, outcome, releases, "stray primary context released");
            }
            Outcome::StillActive { releases } => {
                info!(target: TRACING_TARGET, device, outcome, releases, "primary context still held by others");
            }
            Outcome::HeldByGreenContext { releases } => {
                info!(target: TRACING_TARGET, device, outcome, releases, "primary context held by a green context");
            }
            Outcome::HeldHere { handles } => {
                debug!(target: TRACING_TARGET, device, outcome, handles, "primary context held by live handles");
            }
            Outcome::Failed { error, releases, active } => {
                let code = error.code().map(|code| code.0);
                warn!(target: TRACING_TARGET, device, outcome, code, releases, active, %error, "primary context not released");
            }
            Outcome::Kept | Outcome::LeftAlone | Outcome::AlreadyInactive => {
                debug!(target: TRACING_TARGET, device, outcome, "nothing to release");
            }
        }
    }
    match report.current_context() {
        CurrentContextChange::Unchanged => {}
        CurrentContextChange::Switched { from } => {
            let (from, to) = (from.ordinal(), report.kept().map(Device::ordinal));
            info!(target: TRACING_TARGET, from, to, "the thread's current context was switched");
        }
        CurrentContextChange::NotRestored { from, error } => {
            let from = from.ordinal();
            warn!(target: TRACING_TARGET, from, %error, "the thread's current context was not restored");
        }
    }
}

#[cfg(not(feature = "tracing"))]
#[inline]
pub(super) fn released(_: &Report) {}
