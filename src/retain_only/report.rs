//! What a run did, device by device and call by call.

use crate::driver::Driver;
use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::driver::holders::Holder;
use crate::driver::uuid::Uuid;
use crate::error::Error;
use crate::retain_only::findings::Findings;
use crate::retain_only::outcome::{CurrentContextChange, Outcome};
use crate::retain_only::table::summary;
use crate::sys::CUresult;

/// What [`retain_only`](crate::PrimaryContextGuard::retain_only) did: one line for every device in
/// the order of the ordinals, the driver calls that were made, and what became of the calling
/// thread's current context.
///
/// Displayed as its [`summary`](Self::summary) and a table. Displaying or serialising it makes no driver
/// call.
#[derive(Clone)]
pub struct Report {
    pub(super) driver: Driver,
    pub(super) kept: Option<Device>,
    /// `None`, and no allocation, if every device but the kept one was inactive.
    pub(super) findings: Option<Box<Findings>>,
}

/// The line of one device.
#[derive(Clone, Copy)]
pub struct DeviceReport<'a> {
    device: Device,
    outcome: &'a Outcome,
    calls: &'a [Call],
    holders: Option<&'a [Holder]>,
    taken_before: u32,
}

/// The kept device's line, and that of a device that was inactive: their calls are always the same, so
/// that they are not recorded one by one.
static KEPT: (Outcome, [Call; 1]) = (Outcome::Kept, [succeeded("cuDevicePrimaryCtxRetain")]);
static INACTIVE: (Outcome, [Call; 1]) =
    (Outcome::AlreadyInactive, [succeeded("cuDevicePrimaryCtxGetState")]);

const fn succeeded(function: &'static str) -> Call {
    Call { function, code: CUresult::CUDA_SUCCESS }
}

static UNCHANGED: CurrentContextChange = CurrentContextChange::Unchanged;

impl Drop for Report {
    /// Usually there is nothing to drop, and then no function is called for it.
    #[inline]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn discard(findings: Box<Findings>) {
            drop(findings);
        }
        if let Some(findings) = self.findings.take() {
            discard(findings);
        }
    }
}

impl Report {
    /// The driver.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// The device that the guard retains; `None` for a run that retained nothing.
    pub fn kept(&self) -> Option<Device> {
        self.kept
    }

    /// One line for every device, in the order of the ordinals.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = DeviceReport<'_>> + Clone {
        self.driver.devices().map(|device| self.line(device))
    }

    fn line(&self, device: Device) -> DeviceReport<'_> {
        let findings = self.findings.as_ref();
        let holders = findings.and_then(|findings| findings.holders.get(&device.ordinal()));
        let (outcome, calls, taken_before) =
            match findings.and_then(|findings| findings.line(device)) {
                Some((line, calls)) => (&line.outcome, calls, line.taken_before),
                None if self.kept == Some(device) => (&KEPT.0, &KEPT.1[..], 0),
                None => (&INACTIVE.0, &INACTIVE.1[..], 0),
            };
        DeviceReport { device, outcome, calls, holders: holders.map(Vec::as_slice), taken_before }
    }

    /// What became of the calling thread's current context.
    pub fn current_context(&self) -> &CurrentContextChange {
        self.findings.as_ref().map_or(&UNCHANGED, |findings| &findings.current_context)
    }

    /// Whether the calling thread's current context is another than before.
    pub fn current_context_switched(&self) -> bool {
        *self.current_context() != CurrentContextChange::Unchanged
    }

    /// Returns the report in one line: `kept 1; released 0, 2; still active 3`. Inactive devices are not
    /// in it.
    pub fn summary(&self) -> String {
        summary(self)
    }

    /// Returns the devices on which this run released the context and it is active again now. It looks at no
    /// other device: [`Driver::primary_contexts`] returns the state of all. Calls
    /// `cuDevicePrimaryCtxGetState` for each device that it looks at, and releases nothing.
    ///
    /// A thread that still uses a released device can create its context again within milliseconds. Select
    /// the right device in that thread; another release does not help.
    ///
    /// # Errors
    /// [`Error::Driver`] if a state cannot be read, [`Error::ForkedAfterInit`].
    pub fn look_again(&self) -> Result<Vec<Device>, Error> {
        self.driver.check_process()?;
        let mut active = Vec::new();
        for line in self.devices() {
            let was_released = matches!(line.outcome(), Outcome::Released { .. });
            if was_released && line.device().primary_context_state()?.active {
                active.push(line.device());
            }
        }
        Ok(active)
    }

    /// Returns the first failure of any kind as an error, for callers who want all or nothing.
    ///
    /// # Errors
    /// That of the first [`Outcome::Failed`], or of a current context that was not restored.
    pub fn check(&self) -> Result<(), Error> {
        for line in self.findings.iter().flat_map(|findings| &findings.lines) {
            if let Outcome::Failed { error, .. } = &line.outcome {
                return Err(error.clone());
            }
        }
        self.current_context().error().map_or(Ok(()), |error| Err(error.clone()))
    }
}

impl<'a> DeviceReport<'a> {
    /// The device.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The device's number in this process.
    pub fn ordinal(&self) -> u32 {
        self.device.ordinal()
    }

    /// The device's unique id; `None` if the driver did not return one.
    pub fn uuid(&self) -> Option<Uuid> {
        self.device.known_uuid()
    }

    /// What became of the device.
    pub fn outcome(&self) -> &'a Outcome {
        self.outcome
    }

    /// The libraries that held the device's context before the run dealt with it, and how many references
    /// of each it released, as `cuda-contexts trace` counts them. `None` if the program does not run under
    /// that command; empty if nobody held it.
    pub fn holders(&self) -> Option<&'a [Holder]> {
        self.holders
    }

    /// How many references earlier runs of this process released on this device. 0 if the device was
    /// inactive when this run came to it.
    ///
    /// If it is not 0, the context was active again, or still. This run may have released a reference that
    /// its owner still needs.
    pub fn taken_before(&self) -> u32 {
        self.taken_before
    }

    /// Every driver call that was made for this device, in order, with its result. Those about the calling
    /// thread's current context are among them.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = Call> + Clone + use<'a> {
        self.calls.iter().copied()
    }
}
