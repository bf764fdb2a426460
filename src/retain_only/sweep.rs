//! One walk over the devices that are not kept, releasing the stale ones.

use crate::driver::Driver;
use crate::driver::calls::{
    GET_API_VERSION, GET_CURRENT, GET_STATE, POP_CURRENT, PUSH_CURRENT, RELEASE, RETAIN,
    SET_CURRENT,
};
use crate::driver::device::Device;
use crate::driver::ledger::{NotSwept, Swept};
use crate::error::Error;
use crate::primary_context::PrimaryContext;
use crate::primary_context::reference;
use crate::primary_context::thread_context::{RawContext, ThreadContext};
use crate::retain_only::outcome::Outcome;
use crate::retain_only::policy::StaleRelease;
use crate::retain_only::report::Report;
use crate::sys::CUresult;

/// The walk, with what it knows of the calling thread.
pub(super) struct Sweep<'a> {
    driver: Driver,
    /// What the guard retains, if there is one.
    kept: Option<&'a PrimaryContext>,
    policy: &'a StaleRelease,
    report: &'a mut Report,
    /// What the calling thread has current; asked before the first release.
    thread: Option<ThreadContext>,
}

impl<'a> Sweep<'a> {
    #[inline]
    pub(super) fn new(
        driver: Driver,
        kept: Option<&'a PrimaryContext>,
        policy: &'a StaleRelease,
        report: &'a mut Report,
    ) -> Self {
        Self { driver, kept, policy, report, thread: None }
    }

    /// Deals with every device in the order of the ordinals, one after the other.
    #[inline]
    pub(super) fn run(mut self) {
        let kept = self.kept.map(PrimaryContext::device);
        for device in self.driver.devices() {
            if kept == Some(device) {
                continue;
            }
            if self.policy.keeps(device) {
                let first_call = self.report.calls_so_far();
                self.report.add(device, first_call, Outcome::Kept { retained: false });
                continue;
            }
            let (code, _, active) = device.0.get_state();
            // An inactive device needs no line.
            if active || !code.is_success() {
                self.device(device, code);
            }
        }
    }

    /// Deals with one device that has an active context, or whose state could not be read.
    fn device(&mut self, device: Device, state_code: CUresult) {
        self.report.make_room(device);
        let first_call = self.report.calls_so_far();
        self.report.record(GET_STATE, state_code);
        let outcome = match state_code {
            CUresult::CUDA_SUCCESS if self.policy.releases() == 0 => self.spare(device),
            CUresult::CUDA_SUCCESS => self.sweep(device),
            code => failed(device, (GET_STATE, code), 0, None),
        };
        self.report.add(device, first_call, outcome);
    }

    /// The outcome of an active device under a policy that allows no release.
    fn spare(&self, device: Device) -> Outcome {
        match device.0.handles.count() {
            0 => Outcome::StillActive { releases: 0 },
            handles => Outcome::HeldHere { handles },
        }
    }

    /// Releases what is stale on one device, unless handles of this crate hold it.
    fn sweep(&mut self, device: Device) -> Outcome {
        let swept = match device.0.handles.sweep(|| self.driver.loaded().check_process_id()) {
            Ok(swept) => swept,
            Err(NotSwept::Held(handles)) => return Outcome::HeldHere { handles },
            Err(NotSwept::MayNotWait(error)) => {
                return Outcome::Failed { error, releases: 0, active: Some(true) };
            }
        };
        if swept.has_waited() {
            // The other sweep may have released the last reference.
            let (code, _, active) = device.0.get_state();
            self.report.record(GET_STATE, code);
            match code {
                CUresult::CUDA_SUCCESS if active => {}
                CUresult::CUDA_SUCCESS => return Outcome::AlreadyInactive,
                code => return failed(device, (GET_STATE, code), 0, None),
            }
        }
        let former = match self.leave(device) {
            Ok(former) => former,
            Err(call) => return failed(device, call, 0, Some(true)),
        };
        let outcome = self.release(device, &swept);
        if let Some(former) = former {
            self.come_back(device, former);
        }
        outcome
    }

    /// Releases, asking for the state after every release, until the device is inactive or the policy's
    /// bound is reached.
    #[inline]
    fn release(&mut self, device: Device, swept: &Swept<'_>) -> Outcome {
        let mut releases = 0;
        loop {
            let answer = reference::release(device.0);
            self.report.record(RELEASE, answer.code);
            if let Some(undo) = answer.undo {
                self.report.record(RETAIN, undo);
                if undo.is_success() {
                    return Outcome::HeldByGreenContext { releases };
                }
            }
            let (state_code, _, active) = device.0.get_state();
            self.report.record(GET_STATE, state_code);
            let now = state_code.is_success().then_some(active);
            match (answer.code, answer.undo, now) {
                // It was taken, and could not be given back.
                (_, Some(undo), _) => return failed(device, (RETAIN, undo), releases + 1, now),
                (CUresult::CUDA_SUCCESS, ..) => releases += 1,
                (CUresult::CUDA_ERROR_INVALID_CONTEXT, _, Some(false)) if releases == 0 => {
                    return Outcome::AlreadyInactive;
                }
                (CUresult::CUDA_ERROR_INVALID_CONTEXT, _, Some(false)) => {}
                (code, ..) => return failed(device, (RELEASE, code), releases, now),
            }
            match now {
                Some(false) => return Outcome::Released { releases },
                // Whoever takes a reference over, or waits to retain, holds it from now on.
                Some(true) if releases == self.policy.releases() || !swept.is_alone() => {
                    return Outcome::StillActive { releases };
                }
                Some(true) => {}
                None => return failed(device, (GET_STATE, state_code), releases, None),
            }
        }
    }

    /// Takes the calling thread off a context of this device, and answers which.
    fn leave(&mut self, device: Device) -> Result<Option<RawContext>, (&'static str, CUresult)> {
        let thread = match self.thread {
            Some(thread) => thread,
            None => self.ask_thread()?,
        };
        match thread {
            ThreadContext::Of(handle, former) if handle == device.as_raw() => {
                let left = match self.kept {
                    Some(kept) => (SET_CURRENT, self.set_current(kept.into())),
                    None => (POP_CURRENT, self.pop_current()),
                };
                // Asked anew before the next release: it is another context now, or will be.
                self.thread = None;
                match left.1.is_success() {
                    true => Ok(Some(former)),
                    false => {
                        self.stay(device, former);
                        Err(left)
                    }
                }
            }
            _ => Ok(None),
        }
    }

    fn ask_thread(&mut self) -> Result<ThreadContext, (&'static str, CUresult)> {
        let report = &mut *self.report;
        let thread = ThreadContext::query(self.driver.loaded(), |function, code| {
            report.record(function, code);
        })?;
        self.thread = Some(thread);
        Ok(thread)
    }

    /// After a failure to leave a context, which may have had its effect all the same: sees to it that
    /// the thread is on it.
    #[cold]
    fn stay(&mut self, device: Device, former: RawContext) {
        let (code, current) = self.driver.loaded().get_current();
        self.report.record(GET_CURRENT, code);
        if code.is_success() && RawContext(current) == former {
            return;
        }
        self.make_current_again(device, former);
    }

    /// After the release of the device whose context the thread was on: makes that current again, if it
    /// still lives.
    #[cold]
    fn come_back(&mut self, device: Device, former: RawContext) {
        // SAFETY: the driver gave the handle on this thread.
        let code = unsafe { self.driver.loaded().is_alive(former.0) };
        self.report.record(GET_API_VERSION, code);
        match code {
            CUresult::CUDA_SUCCESS => self.make_current_again(device, former),
            CUresult::CUDA_ERROR_INVALID_CONTEXT | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED => {
                self.report.switched(device);
            }
            code => self.not_restored(device, (GET_API_VERSION, code)),
        }
    }

    fn make_current_again(&mut self, device: Device, former: RawContext) {
        let (function, code) = match self.kept {
            Some(_) => (SET_CURRENT, self.set_current(former)),
            None => (PUSH_CURRENT, self.push_current(former)),
        };
        self.thread = None;
        if code.is_success() {
            return;
        }
        // It may have had its effect all the same.
        let (current_code, current) = self.driver.loaded().get_current();
        self.report.record(GET_CURRENT, current_code);
        if !current_code.is_success() || RawContext(current) != former {
            self.not_restored(device, (function, code));
        }
    }

    fn not_restored(&mut self, device: Device, call: (&'static str, CUresult)) {
        let error = error(device, call);
        self.report.not_restored(device, error);
    }

    fn set_current(&mut self, context: RawContext) -> CUresult {
        // SAFETY: the handle is the kept context's, which is alive, or the driver gave it on this
        // thread.
        let code = unsafe { self.driver.loaded().set_current(context.0) };
        self.report.record(SET_CURRENT, code);
        code
    }

    fn push_current(&mut self, context: RawContext) -> CUresult {
        // SAFETY: the driver gave the handle on this thread.
        let code = unsafe { self.driver.loaded().push_current(context.0) };
        self.report.record(PUSH_CURRENT, code);
        code
    }

    fn pop_current(&mut self) -> CUresult {
        let (code, _) = self.driver.loaded().pop_current();
        self.report.record(POP_CURRENT, code);
        code
    }
}

#[cold]
fn error(device: Device, (function, code): (&'static str, CUresult)) -> Error {
    device.loaded().error(code, function, Some(device.ordinal()))
}

#[cold]
fn failed(
    device: Device,
    call: (&'static str, CUresult),
    releases: u32,
    active: Option<bool>,
) -> Outcome {
    Outcome::Failed { error: error(device, call), releases, active }
}

impl From<&PrimaryContext> for RawContext {
    fn from(context: &PrimaryContext) -> Self {
        Self(context.as_raw())
    }
}
