//! Keeping one device's primary context and releasing the strays on all others.

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
#[derive(Debug)]
#[must_use = "dropping the guard releases the kept device's context"]
pub struct PrimaryContextGuard {
    context: PrimaryContext,
    report: Report,
}

impl PrimaryContextGuard {
    /// Retains this device's primary context and releases the strays on all other devices: the contexts
    /// that are active in this process and on which no handle of this crate is alive.
    ///
    /// **A library that still uses a released device loses its data or crashes the process**: safe code of
    /// cudarc 0.19 died in each of nine uses ([Soundness](#soundness)). Keep such a device with
    /// [`StrayRelease::keep`], or hold it with [`PrimaryContext::retain_if_active`].
    ///
    /// Call it a single time, after the worker has selected its device. Each further call releases another
    /// reference on every device that is still, or again, active. The report of a second run says so
    /// ([`DeviceReport::taken_before`]).
    ///
    /// # Examples
    /// ```no_run
    /// # use cuda_primary_context::{Driver, Error, PrimaryContextGuard};
    /// let guard = PrimaryContextGuard::retain_only(Driver::load()?.device(1)?)?;
    /// println!("{}", guard.report().summary()); // kept 1; released 0, 2
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Steps
    /// 1. In a forked child of an initialised process it returns an error, without a driver call.
    /// 2. It retains the device (`cuDevicePrimaryCtxRetain`). If that fails, nothing else was touched. From
    ///    here on the guard exists.
    /// 3. It reads the state of every other device, in the order of the ordinals
    ///    (`cuDevicePrimaryCtxGetState`). A device that is inactive, or on which handles of this crate are
    ///    alive, is left alone.
    /// 4. Otherwise it releases once (`cuDevicePrimaryCtxRelease_v2`) and reads the state again, which
    ///    decides the outcome. Meanwhile a retain of that device through this crate waits; other devices do
    ///    not wait. After `CUDA_ERROR_NOT_PERMITTED` it retains once to undo the release, because a driver
    ///    with green contexts (CUDA 12.4) took the reference of one ([`Outcome::HeldByGreenContext`]).
    /// 5. If the calling thread's current context is on such a device, the kept context is made current before
    ///    the release, and the former one again afterwards if it is alive
    ///    ([`Report::current_context`]). Other threads, and the stack beneath the current context, cannot be
    ///    changed: stop using the other devices there first.
    /// 6. A failing call ends that device ([`Outcome::Failed`]), and the next one follows.
    ///
    /// # A thread that still uses the device
    /// A release cures what was left behind. What a living thread does is cured in that thread: select its
    /// device there. With PyTorch 2.11 on an H200, a thread went on using the device every 2 ms after one
    /// release, and the rest of the process worked on another device:
    ///
    /// | the thread | after the release |
    /// | --- | --- |
    /// | records and queries an event | **the process died (SIGSEGV)**, both times |
    /// | synchronizes a stream | died once; the other time every call failed (`invalid resource handle`) |
    /// | allocates tensors and reads one | every call failed (`invalid argument`), and **the context was active again** |
    /// | calls `torch.cuda.synchronize(0)` or `mem_get_info(0)` | no error; **the context was back within milliseconds** |
    /// | allocates pinned memory | no error; the context stayed inactive |
    /// | multiplies matrices (three references) | no error; the context stayed active ([`Outcome::StillActive`]) |
    ///
    /// So call [`Report::look_again`] some time later. It returns those of the released devices that are active.
    ///
    /// # Soundness
    /// This function is safe, and it can take a context from other code of the process. It passes nothing
    /// invalid to the driver. But if the reference that it releases was the last one, and its owner still
    /// needs it, safe code of that owner can misbehave inside the driver. Measured with driver 580:
    ///
    /// - PyTorch 2.11: existing objects raised exceptions. In three runs on an H200, 4 of 34 processes died
    ///   (SIGSEGV), and **a new tensor gave a wrong result without an error**, also if nobody had retained
    ///   the context again.
    /// - cudarc 0.19: its safe code died (SIGSEGV) in each of nine uses, on two H100s and on two H200s.
    /// - `cuMemcpyPeer` with a released context died (SIGSEGV): peer access uses both devices.
    /// - While another reference kept the context alive, everything worked.
    ///
    /// [`driver_behaviour`](crate::driver_behaviour#references-of-others) has the details. One reference
    /// is released on each device, so that a context with more than one holder survives.
    /// [`StrayRelease::releases_up_to`], which takes more, is `unsafe`.
    ///
    /// # References of others
    /// The driver counts references, but does not return the count or the owners. If the context is gone, its
    /// allocations, streams, events and modules are gone, too. A thread that had it current is on a dead
    /// context, as [`PrimaryContext`] describes. The owner's own release returns
    /// `CUDA_ERROR_INVALID_CONTEXT`, or takes a reference that somebody else has retained since.
    ///
    /// The last release waits for the device's work (53 to 71 ms on an H200). Memory pools and virtual memory
    /// allocations outlive the context.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`], and the errors of [`PrimaryContext::retain`]. Failures on other devices
    /// are in the report; [`Report::check`] returns the first as an error.
    #[doc(alias("stale", "cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxRelease_v2"))]
    #[doc(alias("cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxGetState"))]
    #[inline]
    pub fn retain_only(device: Device) -> Result<Self, Error> {
        static DEFAULT: StrayRelease = StrayRelease::new();
        Self::retain_only_with(device, &DEFAULT)
    }

    /// As [`retain_only`](Self::retain_only), with a policy: further devices to leave alone, or more than
    /// one release for each stray. Its sections on soundness and on references of others apply here, too.
    ///
    /// # Errors
    /// As [`retain_only`](Self::retain_only), and [`Error::OtherDriver`] if the policy keeps a device of
    /// another driver.
    #[inline]
    pub fn retain_only_with(device: Device, policy: &StrayRelease) -> Result<Self, Error> {
        policy.check(device.driver())?;
        let context = PrimaryContext::retain(device)?;
        let findings = release_strays(device.driver(), Some(&context), policy);
        let report = Report { driver: device.driver(), kept: Some(device), findings };
        events::released(&report);
        Ok(Self { context, report })
    }

    /// What was done, device by device.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The kept device's context.
    pub fn context(&self) -> &PrimaryContext {
        &self.context
    }

    /// The kept device.
    pub fn device(&self) -> Device {
        self.context.device()
    }

    /// Returns the kept device's reference without the report.
    pub fn into_context(self) -> PrimaryContext {
        self.context
    }

    /// Returns the kept device's reference and the report.
    #[must_use = "dropping the context releases it"]
    pub fn into_parts(self) -> (PrimaryContext, Report) {
        (self.context, self.report)
    }

    /// Releases the kept device's reference now, and returns the driver's result.
    ///
    /// # Errors
    /// As [`PrimaryContext::release`].
    pub fn release(self) -> Result<(), ReleaseError> {
        self.context.release()
    }
}
