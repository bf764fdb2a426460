//! `retain_only` written against the raw functions of the driver, honest or with one flaw, for the
//! harness to be tried on.

use std::cell::RefCell;
use std::ptr;

use cuda_primary_context::sys::{self, CUresult, functions};
use cuda_primary_context::{
    CurrentContextChange, Device, Driver, Error, FunctionPointer, Outcome, PrimaryContext,
    StaleRelease,
};

use super::flaw::Flaw;
use super::log::{GET_CURRENT, GET_DEVICE, GET_STATE, RELEASE, RETAIN, SET_CURRENT};
use super::scene::Policy;
use super::told::{Line, RetainOnly, Told};

type Raw<F> = <F as FunctionPointer>::Function;

/// The functions, looked up before any trial.
pub struct Flawed {
    pub flaw: Flaw,
    policy: Policy,
    driver: Driver,
    retain: Raw<sys::PFN_cuDevicePrimaryCtxRetain_v7000>,
    release: Raw<sys::PFN_cuDevicePrimaryCtxRelease_v11000>,
    get_state: Raw<sys::PFN_cuDevicePrimaryCtxGetState_v7000>,
    get_current: Raw<sys::PFN_cuCtxGetCurrent_v4000>,
    get_device: Raw<sys::PFN_cuCtxGetDevice_v2000>,
    set_current: Raw<sys::PFN_cuCtxSetCurrent_v4000>,
    remembered: RefCell<Option<Error>>,
}

/// The kept device's reference.
pub struct Guard {
    context: Option<PrimaryContext>,
    flaw: Flaw,
    release: Raw<sys::PFN_cuDevicePrimaryCtxRelease_v11000>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(context) = self.context.take() else { return };
        let device = context.device().as_raw();
        match self.flaw {
            Flaw::NeverReleases => {
                let _ = context.leak();
            }
            Flaw::SwallowsInDrop => {
                let _ = context.leak();
                // SAFETY: the handle is the driver's own.
                let _ = unsafe { (self.release)(device) };
            }
            Flaw::ReleasesItsOwnTwice => {
                drop(context);
                // SAFETY: as above.
                let _ = unsafe { (self.release)(device) };
            }
            _ => drop(context),
        }
    }
}

/// How the walk over the devices stands.
struct Progress {
    /// What the thread has current: asked before the first release.
    thread: Option<Thread>,
    failure: Option<Error>,
    left: Option<(Device, sys::CUcontext)>,
    change: CurrentContextChange,
}

#[derive(Clone, Copy)]
enum Thread {
    Elsewhere,
    On(sys::CUdevice, sys::CUcontext),
    Unnamed,
}

impl Flawed {
    pub fn new(driver: Driver, flaw: Flaw, policy: &Policy) -> Self {
        Self {
            flaw,
            policy: policy.clone(),
            driver,
            retain: driver.function(functions::cuDevicePrimaryCtxRetain_v7000).unwrap(),
            release: driver.function(functions::cuDevicePrimaryCtxRelease_v11000).unwrap(),
            get_state: driver.function(functions::cuDevicePrimaryCtxGetState_v7000).unwrap(),
            get_current: driver.function(functions::cuCtxGetCurrent_v4000).unwrap(),
            get_device: driver.function(functions::cuCtxGetDevice_v2000).unwrap(),
            set_current: driver.function(functions::cuCtxSetCurrent_v4000).unwrap(),
            remembered: RefCell::new(None),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// The error of a call, or what is told in its place.
    fn error(&self, call: &'static str, device: Option<u32>, code: CUresult) -> Error {
        if self.has(Flaw::PanicsAtUnknownCodes) && code.name().is_none() {
            // A panic that prints nothing.
            std::panic::resume_unwind(Box::new(code));
        }
        match self.flaw {
            Flaw::LiesAboutTheCall => {
                let call = if call == RELEASE { GET_STATE } else { RELEASE };
                Error::Driver { call, device, code }
            }
            Flaw::LiesAboutTheDevice => {
                Error::Driver { call, device: device.map(|ordinal| ordinal + 1), code }
            }
            Flaw::LiesAboutTheCode => Error::Driver { call, device, code: CUresult(code.0 ^ 1) },
            _ => Error::Driver { call, device, code },
        }
    }

    fn check(&self, code: CUresult, call: &'static str, device: Option<u32>) -> Result<(), Error> {
        if code.is_success() { Ok(()) } else { Err(self.error(call, device, code)) }
    }

    fn active(&self, device: Device, line: &mut Line) -> Result<bool, Error> {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: the out-parameters are ours, the handle is the driver's own.
        let code = unsafe { (self.get_state)(device.as_raw(), &mut flags, &mut active) };
        line.calls.push((GET_STATE, code.0));
        if code.is_success() || self.has(Flaw::ReadsOutputs) {
            return Ok(active != 0);
        }
        if self.has(Flaw::Swallows) {
            return Ok(false);
        }
        if self.has(Flaw::OmitsTheFailingCall) {
            line.calls.pop();
        }
        Err(self.error(GET_STATE, Some(device.ordinal()), code))
    }

    fn release_once(&self, device: Device, line: &mut Line) -> CUresult {
        if self.has(Flaw::RetainsElsewhere) {
            let mut raw = ptr::null_mut();
            // SAFETY: the out-parameter is ours, the handle is the driver's own.
            let _ = unsafe { (self.retain)(&mut raw, device.as_raw()) };
        }
        // SAFETY: the handle is the driver's own.
        let mut code = unsafe { (self.release)(device.as_raw()) };
        if self.has(Flaw::ReleasesTwice) && !code.is_success() {
            // SAFETY: as above.
            code = unsafe { (self.release)(device.as_raw()) };
        }
        line.calls.push((RELEASE, code.0));
        code
    }

    /// Moves the thread off this device's context.
    fn leave(
        &self,
        device: Device,
        kept: &PrimaryContext,
        walk: &mut Progress,
    ) -> Result<(), Error> {
        if self.has(Flaw::LeavesTheThreadDangling) {
            return Ok(());
        }
        let thread = match (walk.thread, &walk.failure) {
            (Some(thread), _) => thread,
            (None, Some(failure)) => return Err(failure.clone()),
            (None, None) => self.ask_thread()?,
        };
        walk.thread = Some(thread);
        let left = match thread {
            Thread::On(of, raw) if of == device.as_raw() => Some((device, raw)),
            Thread::Unnamed => None,
            Thread::Elsewhere | Thread::On(..) => return Ok(()),
        };
        walk.thread = left.map(|_| thread);
        // SAFETY: the handle is a context that is retained.
        let code = unsafe { (self.set_current)(kept.as_raw()) };
        self.check(code, SET_CURRENT, Some(kept.device().ordinal()))?;
        walk.thread = Some(Thread::Elsewhere);
        walk.left = left;
        if !self.has(Flaw::SwitchesSilently) {
            walk.change = CurrentContextChange::Switched { from: left.map(|(device, _)| device) };
        }
        Ok(())
    }

    fn ask_thread(&self) -> Result<Thread, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: the out-parameter is ours.
        let code = unsafe { (self.get_current)(&mut raw) };
        self.check(code, GET_CURRENT, None)?;
        if raw.is_null() {
            return Ok(Thread::Elsewhere);
        }
        let mut device = 0;
        // SAFETY: the out-parameter is ours.
        let code = unsafe { (self.get_device)(&mut device) };
        match code.0 {
            201 | 709 => Ok(Thread::Unnamed),
            _ => self.check(code, GET_DEVICE, None).map(|()| Thread::On(device, raw)),
        }
    }

    fn restore(&self, walk: &mut Progress) {
        let Some((device, raw)) = walk.left else { return };
        if self.has(Flaw::NeverRestores) {
            return;
        }
        // SAFETY: the handle is the driver's.
        let code = unsafe { (self.set_current)(raw) };
        walk.change = match self.check(code, SET_CURRENT, Some(device.ordinal())) {
            Ok(()) => CurrentContextChange::Unchanged,
            Err(error) => CurrentContextChange::NotRestored(error),
        };
    }

    /// Deals with one device.
    fn device(
        &self,
        device: Device,
        kept: &PrimaryContext,
        walk: &mut Progress,
        line: &mut Line,
    ) -> Result<Outcome, Error> {
        let mut releases = 0;
        loop {
            if !self.active(device, line)? {
                return Ok(match releases {
                    0 => Outcome::AlreadyInactive,
                    releases => Outcome::Released { releases },
                });
            }
            let handles = device.handles()?;
            if releases == 0 && handles > 0 && !self.has(Flaw::ReleasesHeldDevices) {
                return Ok(Outcome::HeldHere { handles });
            }
            if releases == self.policy.releases {
                if walk.left.is_some_and(|(left, _)| left == device) {
                    self.restore(walk);
                }
                return Ok(Outcome::StillActive { releases });
            }
            if releases == 0 {
                if let Err(error) = self.leave(device, kept, walk) {
                    walk.failure = Some(error.clone());
                    return Err(error);
                }
            }
            match self.release_once(device, line) {
                CUresult::CUDA_SUCCESS => releases += 1,
                CUresult::CUDA_ERROR_INVALID_CONTEXT if releases == 0 => {
                    return Ok(Outcome::AlreadyInactive);
                }
                CUresult::CUDA_ERROR_INVALID_CONTEXT => return Ok(Outcome::Released { releases }),
                code => return Err(self.error(RELEASE, Some(device.ordinal()), code)),
            }
        }
    }

    fn lines(&self, kept: &PrimaryContext, walk: &mut Progress) -> Vec<Line> {
        let mut lines = Vec::new();
        for device in self.driver.devices() {
            let ordinal = device.ordinal();
            let mut line = Line { ordinal, outcome: Outcome::Kept, calls: Vec::new() };
            let keeps = self.policy.keep.contains(&ordinal) && !self.has(Flaw::ReleasesKeptDevices);
            let failed = lines.iter().any(|line: &Line| line.outcome.kind() == "failed");
            if device == kept.device() {
                line.calls.push((RETAIN, 0));
            } else if failed && self.has(Flaw::StopsAtTheFirstFailure) {
                line.outcome = Outcome::AlreadyInactive;
            } else if !keeps {
                line.outcome =
                    self.device(device, kept, walk, &mut line).unwrap_or_else(Outcome::Failed);
            }
            lines.push(line);
        }
        lines
    }
}

impl RetainOnly for Flawed {
    type Guard = Guard;

    fn retain_only(&self, device: Device, _: &StaleRelease) -> Result<(Guard, Told), Error> {
        if let Some(error) = &*self.remembered.borrow() {
            return Err(error.clone());
        }
        let mut raw = ptr::null_mut();
        // SAFETY: the out-parameter is ours, the handle is the driver's own.
        let code = unsafe { (self.retain)(&mut raw, device.as_raw()) };
        self.check(code, RETAIN, Some(device.ordinal()))?;
        // SAFETY: the reference was just made, and belongs to nobody else.
        let context = unsafe { PrimaryContext::adopt(device, raw) }?;
        let mut guard = Guard { context: Some(context), flaw: self.flaw, release: self.release };

        let change = CurrentContextChange::Unchanged;
        let mut walk = Progress { thread: None, failure: None, left: None, change };
        let kept = guard.context.as_ref().expect("it was just retained");
        let told = Told::new(self.lines(kept, &mut walk), walk.change);
        if let (Err(error), Flaw::RemembersFailures) = (&told.result, self.flaw) {
            *self.remembered.borrow_mut() = Some(error.clone());
        }
        if let (Err(error), Flaw::LeaksOnFailure) = (&told.result, self.flaw) {
            let _ = guard.context.take().map(PrimaryContext::leak);
            return Err(error.clone());
        }
        Ok((guard, told))
    }
}
