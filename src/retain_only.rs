//! The headline: keep one device's primary context, release the stale ones on all others.

use std::fmt;

use crate::device::Device;
use crate::error::Error;
use crate::events;
use crate::primary_context::PrimaryContext;
use crate::report::Report;
use crate::stale_release::StaleRelease;
use crate::sweep::Sweep;

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
    /// Retains this device's primary context and releases the stale ones on all other devices:
    /// those that are active in this process and that no live handle of this crate holds.
    ///
    /// In this order:
    ///
    /// 1. A forked child of an initialised process is refused, without a driver call.
    /// 2. The driver's lock for retains and releases is taken.
    /// 3. The device is retained (`cuDevicePrimaryCtxRetain`). If that fails, nothing else was
    ///    touched.
    /// 4. Every other device, in the order of the ordinals, is asked for its state
    ///    (`cuDevicePrimaryCtxGetState`). An active one that no live handle of this crate holds is
    ///    released once (`cuDevicePrimaryCtxRelease_v2`) and asked again. Nothing else is called on
    ///    it, and a failure on one device keeps nothing from the next.
    /// 5. Before the first release on the device that the calling thread has current
    ///    (`cuCtxGetCurrent`, `cuCtxGetDevice`), the kept context is made current in its place
    ///    (`cuCtxSetCurrent`), so that the thread is not left on a dead context; if the device
    ///    stays active all the same, it is made what it was; if the release fails, nobody can tell,
    ///    and the kept context stays. The [report](Report::current_context) says so. A current
    ///    context that is destroyed already, and whose device the driver does not tell any more, is
    ///    replaced likewise. Other threads cannot be looked into, nor what lies beneath the current
    ///    context on this one: stop using the other devices there first. A context made by
    ///    `cuCtxCreate` on such a device cannot be told from the primary one, and is replaced, too.
    ///
    /// # Foreign references
    /// The driver counts references and does not know whose they are. What is released here was
    /// retained by somebody: by the CUDA runtime, for a thread that touched the device; by a
    /// library; by code that this process no longer needs. If its owner is done with the device,
    /// all is well. If not, and the context is gone:
    ///
    /// - its allocations, streams, events and modules are gone with it; a call that uses them fails
    ///   with one error or another, or crashes inside the driver;
    /// - a thread that had it current is on a dead context, which answers
    ///   `CUDA_ERROR_CONTEXT_IS_DESTROYED` and comes back alive, empty and at the same address, when
    ///   somebody retains it again;
    /// - its owner's own release, later, is refused with `CUDA_ERROR_INVALID_CONTEXT`, or takes a
    ///   reference that somebody else retained since.
    ///
    /// With PyTorch 2.11 on an H200 (driver 580) that was: one reference for a process that had used
    /// the device, three once cuBLAS was in use. After all were taken, an existing tensor gave
    /// `invalid argument`, a stream `context is destroyed`, a new stream crashed the process, and
    /// **a new tensor gave a wrong result without an error**. While another reference kept the
    /// context alive, everything went on working.
    ///
    /// So do not call this while anything in the process still works on another device: peer
    /// mappings and collectives between devices count as work. Call it at a worker's start, once it
    /// knows its device and before it allocates. `StillActive` is no failure: more than one
    /// reference was held. A context that only a green context holds is not released, but refused
    /// with `CUDA_ERROR_NOT_PERMITTED` (driver 580).
    ///
    /// The last release waits for the work that the device still has to do, and takes its time (54 ms
    /// on that machine). Memory that a context held need not all come back: memory pools and virtual
    /// memory allocations outlive it. To know what came back, measure before and after.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`], and whatever retaining the device can answer
    /// ([`PrimaryContext::retain`]). Failures on other devices are in the report;
    /// [`Report::into_result`] makes an error of them.
    #[doc(alias = "cuDevicePrimaryCtxRelease")]
    #[doc(alias = "cuDevicePrimaryCtxRelease_v2")]
    #[doc(alias = "cuDevicePrimaryCtxRetain")]
    #[doc(alias = "cuDevicePrimaryCtxGetState")]
    #[inline]
    pub fn retain_only(device: Device) -> Result<Self, Error> {
        static DEFAULT: StaleRelease = StaleRelease::new();
        Self::retain_only_with(device, &DEFAULT)
    }

    /// [`retain_only`](Self::retain_only) under a policy: further devices to leave alone, more than
    /// one release for each stale device.
    ///
    /// # Errors
    /// As [`retain_only`](Self::retain_only), and [`Error::OtherDriver`] where the policy keeps a
    /// device of another driver.
    pub fn retain_only_with(device: Device, policy: &StaleRelease) -> Result<Self, Error> {
        policy.check(device)?;
        let mut ledger = device.loaded().lock()?;
        let context = PrimaryContext::retain_locked(device, &mut ledger)?;
        // The guard owns the context from here on. Nothing below panics, so that it is never
        // dropped under the lock, which it takes itself.
        let mut guard = Self { context, report: Report::new(device) };
        Sweep::new(&guard.context, policy, &ledger, &mut guard.report).run();
        drop(ledger);
        events::released(&guard.report);
        Ok(guard)
    }

    /// What was done, device by device.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The kept device's context.
    #[must_use]
    pub fn context(&self) -> &PrimaryContext {
        &self.context
    }

    /// The kept device.
    #[must_use]
    pub fn device(&self) -> Device {
        self.context.device()
    }

    /// The kept device's reference alone, without the report.
    #[must_use = "dropping the context releases it"]
    pub fn into_context(self) -> PrimaryContext {
        self.context
    }

    /// Releases the kept device's reference now, with the driver's answer.
    ///
    /// # Errors
    /// The error and the guard, as [`PrimaryContext::release`] hands back its handle.
    #[expect(clippy::result_large_err, reason = "the guard itself is handed back")]
    pub fn release(self) -> Result<(), (Error, Self)> {
        let Self { context, report } = self;
        context.release().map_err(|(error, context)| (error, Self { context, report }))
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
