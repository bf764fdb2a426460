//! The walk over the devices, and the guard.

use std::cell::RefCell;
use std::rc::Rc;

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Device, Driver, Error, PrimaryContext, StrayRelease};

use super::Flaw;
use super::raw::Raw;
use super::thread::Current;
use crate::faults::log::{GET_STATE, RELEASE, RETAIN};
use crate::faults::outcome::{Change, What};
use crate::faults::scene::Policy;
use crate::faults::told::{Line, Sweeper, Told};

pub struct Flawed {
    pub(super) flaw: Flaw,
    pub(super) policy: Policy,
    pub(super) raw: Rc<Raw>,
    remembered: RefCell<Option<Error>>,
}

/// The kept device's reference.
pub struct Guard {
    context: Option<PrimaryContext>,
    flaw: Flaw,
    raw: Rc<Raw>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(context) = self.context.take() else { return };
        let device = context.device();
        match self.flaw {
            Flaw::NeverReleases => {
                let _ = context.into_raw();
            }
            Flaw::SwallowsInDrop => {
                let _ = context.into_raw();
                if self.raw.release(device) != 0 {
                    let _ = self.raw.state(device);
                }
            }
            Flaw::ReleasesItsOwnTwice => {
                drop(context);
                let _ = self.raw.release(device);
            }
            _ => drop(context),
        }
    }
}

/// How the walk stands.
pub(super) struct Walk<'a> {
    pub kept: Option<&'a PrimaryContext>,
    /// The calls for the device at hand.
    pub calls: Vec<(&'static str, u32)>,
    pub current: Option<Current>,
    pub change: Change,
    /// What is still to be undone, by the flaw that does that late.
    pub late: Option<Device>,
}

impl Flawed {
    pub fn new(driver: Driver, flaw: Flaw, policy: &Policy) -> Self {
        let (policy, raw) = (policy.clone(), Rc::new(Raw::new(driver)));
        Self { flaw, policy, raw, remembered: RefCell::new(None) }
    }

    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// The error of a call, or what is told in its place.
    pub(super) fn error(&self, call: &'static str, device: u32, code: u32) -> Error {
        let told = CUresult(code);
        if self.has(Flaw::PanicsAtUnknownCodes) && told.name().is_none() {
            // A panic that prints nothing.
            std::panic::resume_unwind(Box::new(code));
        }
        let device = Some(device);
        match self.flaw {
            Flaw::LiesAboutTheCall => {
                let call = if call == RELEASE { GET_STATE } else { RELEASE };
                Error::Driver { call, device, code: told }
            }
            Flaw::LiesAboutTheDevice => {
                Error::Driver { call, device: device.map(|ordinal| ordinal + 1), code: told }
            }
            Flaw::LiesAboutTheCode => Error::Driver { call, device, code: CUresult(code ^ 1) },
            _ => Error::Driver { call, device, code: told },
        }
    }

    fn sweep(&self, driver: Driver, kept: Option<&PrimaryContext>) -> Told {
        let change = Change::Unchanged;
        let mut walk = Walk { kept, calls: Vec::new(), current: None, change, late: None };
        let mut lines: Vec<Line> = Vec::new();
        for device in driver.devices() {
            let ordinal = device.ordinal();
            let keeps = self.policy.keep.contains(&ordinal) && !self.has(Flaw::ReleasesKeptDevices);
            let failed = lines.iter().any(|line| line.outcome.error().is_some());
            let retained = kept.is_some_and(|kept| kept.device() == device);
            let outcome = match () {
                () if retained => {
                    walk.calls.push((RETAIN, 0));
                    What::Kept
                }
                () if keeps && self.has(Flaw::ConfusesKept) => What::Kept,
                () if keeps => What::LeftAlone,
                () if failed && self.has(Flaw::StopsAtTheFirstFailure) => What::AlreadyInactive,
                () => self.device(device, &mut walk),
            };
            lines.push(Line { ordinal, outcome, calls: std::mem::take(&mut walk.calls) });
        }
        if let Some(late) = walk.late.take() {
            let _ = self.raw.retain(late);
        }
        Told::new(lines, walk.change)
    }
}

impl Sweeper for Flawed {
    type Guard = Guard;

    fn retain_only(&self, device: Device, _: &StrayRelease) -> Result<(Guard, Told), Error> {
        if let Some(error) = &*self.remembered.borrow() {
            return Err(error.clone());
        }
        let (code, raw) = self.raw.retain(device);
        if code != 0 {
            return Err(self.error(RETAIN, device.ordinal(), code));
        }
        // SAFETY: the reference was just made, and belongs to nobody else.
        let context = unsafe { PrimaryContext::from_raw(device, raw) }?;
        let raw = Rc::clone(&self.raw);
        let mut guard = Guard { context: Some(context), flaw: self.flaw, raw };

        let told = self.sweep(device.driver(), guard.context.as_ref());
        if let (Err(error), Flaw::RemembersFailures) = (&told.result, self.flaw) {
            *self.remembered.borrow_mut() = Some(error.clone());
        }
        if let (Err(error), Flaw::LeaksOnFailure) = (&told.result, self.flaw) {
            let _ = guard.context.take().map(PrimaryContext::into_raw);
            return Err(error.clone());
        }
        Ok((guard, told))
    }

    fn run(&self, driver: Driver, _: &StrayRelease) -> Result<Told, Error> {
        Ok(self.sweep(driver, None))
    }
}
