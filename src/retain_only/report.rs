//! What a release did, device by device and call by call.

use crate::driver::Driver;
use crate::driver::calls::{GET_STATE, RETAIN};
use crate::driver::device::Device;
use crate::driver::uuid::Uuid;
use crate::error::Error;
use crate::retain_only::outcome::{CurrentContextChange, Outcome};
use crate::sys::CUresult;

/// What [`retain_only`](crate::PrimaryContextGuard::retain_only) did: one line for every device in
/// the order of the ordinals, the driver calls that were made, and what became of the calling
/// thread's current context.
///
/// Displayed as a table, which asks for each device's [`uuid`](Device::uuid).
#[derive(Clone)]
pub struct Report {
    driver: Driver,
    kept: Option<Device>,
    /// Of the devices that were not inactive at once, in the order of their ordinals.
    lines: Vec<Line>,
    /// The calls made for those devices, line by line.
    calls: Vec<Call>,
    current_context: CurrentContextChange,
}

/// What is known of one device, and where its calls begin.
#[derive(Debug, Clone)]
struct Line {
    ordinal: u32,
    first_call: usize,
    outcome: Outcome,
}

/// One driver call and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Call {
    /// The C function, by its exact name.
    pub function: &'static str,
    /// What it answered.
    pub code: CUresult,
}

/// The line of one device.
#[derive(Clone, Copy)]
pub struct DeviceReport<'a> {
    device: Device,
    outcome: &'a Outcome,
    calls: &'a [Call],
}

/// The kept device's line, and that of a device that was asked for its state and was inactive: their
/// calls are always the same, so that they are not recorded one by one.
static KEPT: (Outcome, [Call; 1]) =
    (Outcome::Kept { retained: true }, [Call { function: RETAIN, code: CUresult::CUDA_SUCCESS }]);
static INACTIVE: (Outcome, [Call; 1]) =
    (Outcome::AlreadyInactive, [Call { function: GET_STATE, code: CUresult::CUDA_SUCCESS }]);

impl Report {
    #[inline]
    pub(super) fn new(driver: Driver, kept: Option<Device>) -> Self {
        let current_context = CurrentContextChange::Unchanged;
        Self { driver, kept, lines: Vec::new(), calls: Vec::new(), current_context }
    }

    /// Records a call for the device at hand: one beyond those of the lines so far.
    #[inline]
    pub(super) fn record(&mut self, function: &'static str, code: CUresult) {
        self.calls.push(Call { function, code });
    }

    /// Makes room, once, for what a device with an active context and those after it may bring.
    #[inline]
    pub(super) fn make_room(&mut self, device: Device) {
        if self.lines.capacity() == 0 {
            self.make_first_room(device);
        }
    }

    #[cold]
    fn make_first_room(&mut self, device: Device) {
        let left = (self.driver.device_count() - device.ordinal()) as usize;
        self.lines.reserve_exact(left);
        // A stale device has three calls as a rule, the thread's questions and moves come once.
        self.calls.reserve_exact(3 * left + 6);
    }

    /// How many calls are recorded: where the next line's begin.
    #[inline]
    pub(super) fn calls_so_far(&self) -> usize {
        self.calls.len()
    }

    /// Adds the line of a device beyond those added so far, with the calls recorded from here on.
    #[inline]
    pub(super) fn add(&mut self, device: Device, first_call: usize, outcome: Outcome) {
        self.lines.push(Line { ordinal: device.ordinal(), first_call, outcome });
    }

    /// The thread's context of this device was destroyed. Where more than one is popped off a stack, it
    /// is the first that was current.
    #[cold]
    pub(super) fn switched(&mut self, from: Device) {
        if self.current_context == CurrentContextChange::Unchanged {
            self.current_context = CurrentContextChange::Switched { from };
        }
    }

    /// The thread's context of this device lives, and is not current. No later success covers that up.
    #[cold]
    pub(super) fn not_restored(&mut self, from: Device, error: Error) {
        if self.current_context.error().is_none() {
            self.current_context = CurrentContextChange::NotRestored { from, error };
        }
    }

    /// The driver.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// The device that the guard retains; `None` for a run that retained nothing.
    #[must_use]
    pub fn kept(&self) -> Option<Device> {
        self.kept
    }

    /// One line for every device, in the order of the ordinals.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = DeviceReport<'_>> + Clone {
        self.driver.devices().map(|device| self.line(device))
    }

    fn line(&self, device: Device) -> DeviceReport<'_> {
        let by_ordinal = |line: &Line| line.ordinal;
        let (outcome, calls) = match self.lines.binary_search_by_key(&device.ordinal(), by_ordinal)
        {
            Ok(place) => {
                let line = &self.lines[place];
                let next = self.lines.get(place + 1);
                let end = next.map_or(self.calls.len(), |next| next.first_call);
                (&line.outcome, &self.calls[line.first_call..end])
            }
            Err(_) if self.kept == Some(device) => (&KEPT.0, &KEPT.1[..]),
            Err(_) => (&INACTIVE.0, &INACTIVE.1[..]),
        };
        DeviceReport { device, outcome, calls }
    }

    /// What became of the calling thread's current context.
    #[must_use]
    pub fn current_context(&self) -> &CurrentContextChange {
        &self.current_context
    }

    /// Whether the calling thread's current context is another than before.
    #[must_use]
    pub fn current_context_switched(&self) -> bool {
        self.current_context != CurrentContextChange::Unchanged
    }

    /// The first failure of any kind as an error, for callers who want all or nothing.
    ///
    /// # Errors
    /// That of the first [`Outcome::Failed`], or of a current context that was not restored.
    pub fn check(&self) -> Result<(), Error> {
        for line in &self.lines {
            if let Outcome::Failed { error, .. } = &line.outcome {
                return Err(error.clone());
            }
        }
        self.current_context.error().map_or(Ok(()), |error| Err(error.clone()))
    }
}

impl<'a> DeviceReport<'a> {
    /// The device.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// The device's number in this process.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.device.ordinal()
    }

    /// The device's unique id, as [`Device::uuid`] gives it.
    ///
    /// # Errors
    /// As [`Device::uuid`].
    pub fn uuid(&self) -> Result<Uuid, Error> {
        self.device.uuid()
    }

    /// What became of the device.
    #[must_use]
    pub fn outcome(&self) -> &'a Outcome {
        self.outcome
    }

    /// Every driver call that was made for this device, with its answer, in order; those about the
    /// calling thread's current context among them.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = Call> + Clone + use<'a> {
        self.calls.iter().copied()
    }
}
