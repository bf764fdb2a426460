//! The headline: keep one device's primary context, release the strays on all others.

use std::fmt;

use crate::driver::device::Device;
use crate::error::Error;
use crate::primary_context::{PrimaryContext, ReleaseError};
use crate::retain_only::run::release_strays;

mod calling_thread;
mod events;
mod findings;
mod outcome;
mod plan;
mod policy;
mod report;
mod run;
#[cfg(feature = "serde")]
mod serialize;
mod table;

pub use outcome::{CurrentContextChange, Outcome};
pub use plan::{Plan, Planned};
pub use policy::StrayRelease;
pub use report::{DeviceReport, Report};

/// The primary context of the one device that this process keeps, and the report on the others.
///
/// Dropping the guard releases the kept device's reference, as dropping a [`PrimaryContext`] does,
/// and nothing else: what was released on other devices stays released.
#[must_use = "dropping the guard releases the kept device's context"]
pub struct PrimaryContextGuard {
    context: PrimaryContext,
    report: Report,
}

impl PrimaryContextGuard {
    /// Retains this device's primary context and releases the strays on all other devices:
    /// those that are active in this process and that no live handle of this crate holds.
    ///
    /// In this order:
    ///
    /// 1. A forked child of an initialised process is refused, without a driver call.
    /// 2. The device is retained (`cuDevicePrimaryCtxRetain`). If that fails, nothing else was
    ///    touched. From here on the guard exists.
    /// 3. Every other device, in the order of the ordinals, is asked for its state
    ///    (`cuDevicePrimaryCtxGetState`). One that is inactive, or that live handles of this crate hold,
    ///    is left alone.
    /// 4. An active one that no handle holds is released once (`cuDevicePrimaryCtxRelease_v2`) and
    ///    asked again. Meanwhile a retain of that device through this crate waits; nobody waits who
    ///    wants another device. After `CUDA_ERROR_NOT_PERMITTED`, which takes the reference of a green
    ///    context all the same, one `cuDevicePrimaryCtxRetain` gives that back at once
    ///    ([`Outcome::HeldByGreenContext`]). Otherwise the state that the driver tells after the release
    ///    decides about the outcome, and not the answer of the release alone.
    /// 5. Where the calling thread's current context is of such a device (`cuCtxGetCurrent`,
    ///    `cuCtxGetDevice`), the kept context is made current before the release (`cuCtxSetCurrent`), so
    ///    that the thread is not left on a dead one. If the former context still lives afterwards
    ///    (`cuCtxGetApiVersion`), because others hold it or because it is one of `cuCtxCreate`, it is
    ///    made current again. The [report](Report::current_context) says which. Other threads cannot be
    ///    looked into, nor what lies beneath the current context on this one: stop using the other
    ///    devices there first.
    /// 6. A failing call ends that device ([`Outcome::Failed`]), and the walk goes on with the next.
    ///
    /// # Soundness
    /// This is a safe function, and it can pull a context from under other code of the process. It hands
    /// the driver nothing invalid itself. But where the reference that it releases was the last one, and
    /// its owner was not done with it, safe code of that owner can then misbehave inside the driver. With
    /// PyTorch 2.11 (driver 580, H200), after all of its references had been released by somebody else
    /// while it went on: existing tensors, streams and events and a new stream gave exceptions, **a new
    /// tensor gave a wrong result without an error**, and 3 of 26 processes died (SIGSEGV) when the objects
    /// that existed before were freed. Where a context of cudarc 0.19's was released so and then retained
    /// again, its safe code died (SIGSEGV) in each of nine uses, at once or when the old objects were
    /// dropped. While another reference kept the context alive, everything went on working.
    ///
    /// So call it at a worker's start, once the worker knows its device and before it, or any library in
    /// it, works on another one. Peer access counts as work on both devices: `cuMemcpyPeer` with a context
    /// that was released died (SIGSEGV). Keep what others use with [`StrayRelease::keep`], or hold it with
    /// [`PrimaryContext::retain_if_active`]. By default one reference is released on each device, so that a
    /// context which more than one holder counts on survives; [`StrayRelease::releases_up_to`], which takes
    /// more, is `unsafe`.
    ///
    /// # Foreign references
    /// The driver counts references, tells nobody the count, and does not know whose they are. What is
    /// released here was retained by somebody: by the CUDA runtime, for a thread that touched the
    /// device; by a library; by code that this process no longer needs. If its owner is done with the
    /// device, all is well. If not, and the context is gone:
    ///
    /// - its allocations, streams, events and modules are gone with it; a call that uses them fails
    ///   with one error or another, or crashes inside the driver;
    /// - a thread that had it current is on a dead context, which answers
    ///   `CUDA_ERROR_CONTEXT_IS_DESTROYED` and comes back alive, empty and at the same address, when
    ///   somebody retains it again;
    /// - its owner's own release, later, is refused with `CUDA_ERROR_INVALID_CONTEXT`, or takes a
    ///   reference that somebody else retained since.
    ///
    /// [`Outcome::StillActive`] is no failure: more than one reference was held.
    ///
    /// The last release waits for the work that the device still has to do, and takes its time (53 to
    /// 71 ms on an H200). Memory that a context held need not all come back: memory pools and virtual
    /// memory allocations outlive it. To know what came back, measure before and after.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`], and whatever retaining the device can answer
    /// ([`PrimaryContext::retain`]). Failures on other devices are in the report;
    /// [`Report::check`] makes an error of them.
    #[doc(alias = "stale")]
    #[doc(alias = "cuDevicePrimaryCtxRelease")]
    #[doc(alias = "cuDevicePrimaryCtxRelease_v2")]
    #[doc(alias = "cuDevicePrimaryCtxRetain")]
    #[doc(alias = "cuDevicePrimaryCtxGetState")]
    #[inline]
    pub fn retain_only(device: Device) -> Result<Self, Error> {
        static DEFAULT: StrayRelease = StrayRelease::new();
        Self::retain_only_with(device, &DEFAULT)
    }

    /// [`retain_only`](Self::retain_only) under a policy: further devices to leave alone, more than
    /// one release for each stray device. Its sections on soundness and on foreign references hold
    /// here, too.
    ///
    /// # Errors
    /// As [`retain_only`](Self::retain_only), and [`Error::OtherDriver`] where the policy keeps a
    /// device of another driver.
    #[inline]
    pub fn retain_only_with(device: Device, policy: &StrayRelease) -> Result<Self, Error> {
        policy.check(device.driver())?;
        let context = PrimaryContext::retain(device)?;
        let findings = release_strays(device.driver(), Some(&context), policy);
        let report = Report::new(device.driver(), Some(device), findings);
        events::released(&report);
        Ok(Self { context, report })
    }

    /// What was done, device by device.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The kept device's context.
    pub fn context(&self) -> &PrimaryContext {
        &self.context
    }

    /// The kept device.
    #[must_use]
    pub fn device(&self) -> Device {
        self.context.device()
    }

    /// The kept device's reference alone, without the report.
    pub fn into_context(self) -> PrimaryContext {
        self.context
    }

    /// The kept device's reference, and the report.
    #[must_use = "dropping the context releases it"]
    pub fn into_parts(self) -> (PrimaryContext, Report) {
        (self.context, self.report)
    }

    /// Releases the kept device's reference now, with the driver's answer.
    ///
    /// # Errors
    /// As [`PrimaryContext::release`].
    pub fn release(self) -> Result<(), ReleaseError> {
        self.context.release()
    }
}

impl fmt::Debug for PrimaryContextGuard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PrimaryContextGuard")
            .field("context", &self.context)
            .field("report", &self.report)
            .finish()
    }
}
