//! One walk over the devices that are not kept, releasing the strays.

use crate::driver::Driver;
use crate::driver::calls::Callee;
use crate::driver::device::Device;
use crate::driver::holders::Witness;
use crate::driver::ledger::{NotSwept, Swept};
use crate::error::Error;
use crate::primary_context::PrimaryContext;
use crate::primary_context::reference;
use crate::primary_context::thread_context::ThreadContext;
use crate::retain_only::outcome::Outcome;
use crate::retain_only::policy::StrayRelease;
use crate::retain_only::report::Findings;
use crate::sys::CUresult;

/// Deals with every device in the order of the ordinals, one after the other. Nothing is to be said, and
/// nothing allocated, where all but the kept one are inactive.
///
/// Never inlined: the loop over inactive devices, as a rule all that happens, has the registers to itself.
#[inline(never)]
pub(super) fn sweep(
    driver: Driver,
    kept: Option<&PrimaryContext>,
    policy: &StrayRelease,
) -> Option<Box<Findings>> {
    let loaded = driver.loaded();
    if policy.keeps_any() {
        return Some(sweep_from(0, None, driver, kept, policy));
    }
    let get_state = loaded.get_state();
    let kept_place = kept.map(|kept| kept.device().ordinal() as usize);
    for (place, &handle) in loaded.device_handles().iter().enumerate() {
        if Some(place) == kept_place {
            continue;
        }
        let (code, _, active) = get_state(handle);
        if active || !code.is_success() {
            return Some(sweep_from(place, Some(code), driver, kept, policy));
        }
    }
    None
}

/// Deals with the devices from this place on, of which the first may have been asked already.
#[cold]
#[inline(never)]
fn sweep_from(
    place: usize,
    asked: Option<CUresult>,
    driver: Driver,
    kept: Option<&PrimaryContext>,
    policy: &StrayRelease,
) -> Box<Findings> {
    let findings = Findings::with_room_for(driver.devices().len() - place);
    let mut sweep = Sweep { driver, kept, policy, findings, thread: None };
    sweep.run(place, asked);
    Box::new(sweep.findings)
}

/// The walk from the first device on that needs a line, with what it knows of the calling thread.
pub(super) struct Sweep<'a> {
    pub(super) driver: Driver,
    /// What the guard retains, if there is one.
    pub(super) kept: Option<&'a PrimaryContext>,
    policy: &'a StrayRelease,
    pub(super) findings: Findings,
    /// What the calling thread has current; asked before the first release.
    pub(super) thread: Option<ThreadContext>,
}

/// Why a device is a failure. Small, for the error itself is made once the device is done with.
struct Failure {
    /// The call that failed; none where a forked child may not wait for another sweep.
    call: Option<(Callee, CUresult)>,
    releases: u32,
    active: Option<bool>,
}

impl Failure {
    fn of(function: Callee, code: CUresult, releases: u32, active: Option<bool>) -> Self {
        Self { call: Some((function, code)), releases, active }
    }
}

impl<'a> Sweep<'a> {
    #[inline]
    fn run(&mut self, place: usize, mut asked: Option<CUresult>) {
        let kept = self.kept.map(PrimaryContext::device);
        let keeps_more = self.policy.keeps_any();
        for device in self.driver.devices().skip(place) {
            if kept == Some(device) {
                continue;
            }
            if keeps_more && self.policy.keeps(device) {
                self.findings.add(device, Outcome::LeftAlone);
                continue;
            }
            if let Some(code) = asked.take() {
                self.device(device, code);
                continue;
            }
            let (code, _, active) = device.0.get_state();
            // An inactive device needs no line.
            if active || !code.is_success() {
                self.device(device, code);
            }
        }
    }

    /// Deals with one device, and notes who held it where there is a witness that knows.
    #[inline]
    fn device(&mut self, device: Device, state_code: CUresult) {
        match self.driver.loaded().witness() {
            None => self.active(device, state_code),
            Some(witness) => self.witnessed(device, state_code, witness),
        }
    }

    #[cold]
    #[inline(never)]
    fn witnessed(&mut self, device: Device, state_code: CUresult, witness: Witness) {
        let before = witness.holders(device.as_raw());
        self.active(device, state_code);
        self.findings.held(device, before, &witness.holders(device.as_raw()));
    }

    /// Deals with one device that has an active context, or whose state could not be read.
    #[inline]
    fn active(&mut self, device: Device, state_code: CUresult) {
        self.findings.record(Callee::GetState, state_code);
        let outcome = match state_code {
            CUresult::CUDA_SUCCESS if self.policy.releases() == 0 => Ok(spare(device)),
            CUresult::CUDA_SUCCESS => self.sweep(device),
            code => Err(Failure::of(Callee::GetState, code, 0, None)),
        };
        match outcome {
            Ok(outcome) => self.findings.add(device, outcome),
            Err(failure) => self.add_failed(device, failure),
        }
    }

    /// Releases what is stray on one device, unless handles of this crate hold it.
    fn sweep(&mut self, device: Device) -> Result<Outcome, Failure> {
        let swept = match device.0.handles.sweep(|| self.may_wait()) {
            Ok(swept) => swept,
            Err(NotSwept::Held(handles)) => return Ok(Outcome::HeldHere { handles }),
            Err(NotSwept::MayNotWait(())) => {
                return Err(Failure { call: None, releases: 0, active: Some(true) });
            }
        };
        if swept.has_waited() {
            // The other sweep may have released the last reference.
            let (code, _, active) = device.0.get_state();
            self.findings.record(Callee::GetState, code);
            match code {
                CUresult::CUDA_SUCCESS if active => {}
                CUresult::CUDA_SUCCESS => return Ok(Outcome::AlreadyInactive),
                code => return Err(Failure::of(Callee::GetState, code, 0, None)),
            }
        }
        let former = match self.leave(device) {
            Ok(former) => former,
            Err(call) => return Err(Failure::of(call.0, call.1, 0, Some(true))),
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
    fn release(&mut self, device: Device, swept: &Swept<'_>) -> Result<Outcome, Failure> {
        let mut releases = 0;
        loop {
            let answer = reference::release(device.0);
            self.findings.record(Callee::Release, answer.code);
            if let Some(undo) = answer.undo {
                self.findings.record(Callee::Retain, undo);
                if undo.is_success() {
                    return Ok(Outcome::HeldByGreenContext { releases });
                }
            }
            let (state_code, _, active) = device.0.get_state();
            self.findings.record(Callee::GetState, state_code);
            let now = state_code.is_success().then_some(active);
            match (answer.code, answer.undo, now) {
                // It was taken, and could not be given back.
                (_, Some(undo), _) => {
                    return Err(Failure::of(Callee::Retain, undo, releases + 1, now));
                }
                (CUresult::CUDA_SUCCESS, ..) => releases += 1,
                (CUresult::CUDA_ERROR_INVALID_CONTEXT, _, Some(false)) if releases == 0 => {
                    return Ok(Outcome::AlreadyInactive);
                }
                (CUresult::CUDA_ERROR_INVALID_CONTEXT, _, Some(false)) => {}
                (code, ..) => return Err(Failure::of(Callee::Release, code, releases, now)),
            }
            match now {
                Some(false) => return Ok(Outcome::Released { releases }),
                // Whoever takes a reference over, or waits to retain, holds it from now on.
                Some(true) if releases == self.policy.releases() || !swept.is_alone() => {
                    return Ok(Outcome::StillActive { releases });
                }
                Some(true) => {}
                None => return Err(Failure::of(Callee::GetState, state_code, releases, None)),
            }
        }
    }

    #[cold]
    fn add_failed(&mut self, device: Device, failure: Failure) {
        let Failure { call, releases, active } = failure;
        let error = match call {
            Some(call) => error(device, call),
            None => device.loaded().forked(),
        };
        self.findings.add(device, Outcome::Failed { error, releases, active });
    }

    /// A forked child may not.
    fn may_wait(&self) -> Result<(), ()> {
        self.driver.loaded().check_process_id().map_err(|_| ())
    }
}

#[cold]
pub(super) fn error(device: Device, (function, code): (Callee, CUresult)) -> Error {
    device.loaded().error(code, function.name(), Some(device.ordinal()))
}

/// The outcome of an active device under a policy that allows no release.
fn spare(device: Device) -> Outcome {
    match device.0.handles.count() {
        0 => Outcome::StillActive { releases: 0 },
        handles => Outcome::HeldHere { handles },
    }
}
