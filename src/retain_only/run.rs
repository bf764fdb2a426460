//! One run over the devices that are not kept, which releases the strays.

use crate::driver::Driver;
use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::driver::holders::Witness;
use crate::driver::ledger::Exclusive;
use crate::primary_context::PrimaryContext;
use crate::primary_context::reference::undo_for_green_context;
use crate::retain_only::calling_thread::Current;
use crate::retain_only::findings::Findings;
use crate::retain_only::outcome::Outcome;
use crate::retain_only::policy::StrayRelease;
use crate::sys::CUresult;

/// Deals with every device in the order of the ordinals. Returns `None` without allocating if no other
/// device is active.
#[inline(never)]
pub(super) fn release_strays(
    driver: Driver,
    kept: Option<&PrimaryContext>,
    policy: &StrayRelease,
) -> Option<Box<Findings>> {
    let kept_device = kept.map(PrimaryContext::device);
    let mut run = Run { driver, kept, kept_device, policy, findings: None, current: None };
    let witness = driver.witness();
    let has_policy_or_witness = witness.is_some() || !policy.kept.is_empty();
    for device in driver.devices() {
        if has_policy_or_witness {
            run.deal_with_policy_and_witness(device, witness);
        } else {
            run.deal_with(device);
        }
    }
    run.findings
}

pub(super) struct Run<'a> {
    pub(super) driver: Driver,
    /// What the guard retains, if there is one.
    pub(super) kept: Option<&'a PrimaryContext>,
    kept_device: Option<Device>,
    policy: &'a StrayRelease,
    findings: Option<Box<Findings>>,
    /// What the calling thread has current; read before the first release.
    pub(super) current: Option<Current>,
}

impl Run<'_> {
    /// Always inlined: as a rule every device is inactive, and then this is all that happens.
    #[inline(always)]
    fn deal_with(&mut self, device: Device) {
        if self.kept_device == Some(device) {
            return;
        }
        let (state, _, active) = device.call_get_state();
        if active || !state.is_success() {
            self.release_strays_on(device, state.code);
        }
    }

    /// As [`deal_with`](Self::deal_with), if the policy keeps more devices or a trace knows the holders.
    #[cold]
    fn deal_with_policy_and_witness(&mut self, device: Device, witness: Option<Witness>) {
        let before = witness.map(|witness| witness.holders(device.as_raw()));
        if self.kept_device != Some(device) && self.policy.kept.contains(&device) {
            self.findings().add(device, Outcome::LeftAlone);
        } else {
            self.deal_with(device);
        }
        if let (Some(before), Some(witness)) = (before, witness) {
            let after = witness.holders(device.as_raw());
            self.findings().held(device, before, &after);
        }
    }

    /// Deals with a device that has an active context, or whose state could not be read.
    #[cold]
    fn release_strays_on(&mut self, device: Device, state: CUresult) {
        let state = self.driver.functions().get_state.returned(state);
        self.record(state);
        let outcome = match state.is_success() {
            true => self.release_if_not_held(device),
            false => failed(device, state, 0, None),
        };
        self.findings().add(device, outcome);
    }

    /// Releases what is stray on an active device, unless handles of this crate hold it.
    fn release_if_not_held(&mut self, device: Device) -> Outcome {
        if self.policy.releases == 0 {
            return match device.ledger().handles() {
                0 => Outcome::StillActive { releases: 0 },
                handles => Outcome::HeldHere { handles },
            };
        }
        let exclusive = match device.ledger().begin_exclusive() {
            Ok(exclusive) => exclusive,
            Err(handles) => return Outcome::HeldHere { handles },
        };
        if exclusive.has_waited() {
            // The other run may have released the last reference.
            let (state, _, active) = device.call_get_state();
            self.record(state);
            match state.is_success() {
                true if active => {}
                true => return Outcome::AlreadyInactive,
                false => return failed(device, state, 0, None),
            }
        }
        let former = match self.take_thread_off(device) {
            Ok(former) => former,
            Err(call) => return failed(device, call, 0, Some(true)),
        };
        let outcome = self.release_references(device, &exclusive);
        if let Some(former) = former {
            self.restore_current(device, former);
        }
        outcome
    }

    /// Releases until the device is inactive or the policy's bound is reached, and reads the state after
    /// every release.
    fn release_references(&mut self, device: Device, exclusive: &Exclusive<'_>) -> Outcome {
        let mut releases = 0;
        loop {
            let release = device.call_release();
            self.record(release);
            let (state, _, active) = device.call_get_state();
            self.record(state);
            let active = state.is_success().then_some(active);
            if let Some(undo) = undo_for_green_context(device, release, active) {
                self.record(undo);
                return match undo.is_success() {
                    true => Outcome::HeldByGreenContext { releases },
                    // The release took the reference, and it could not be given back.
                    false => failed(device, undo, releases + 1, active),
                };
            }
            match (release.code, active) {
                (CUresult::CUDA_SUCCESS, _) => releases += 1,
                (CUresult::CUDA_ERROR_INVALID_CONTEXT, Some(false)) if releases == 0 => {
                    return Outcome::AlreadyInactive;
                }
                (CUresult::CUDA_ERROR_INVALID_CONTEXT, Some(false)) => {}
                _ => return failed(device, release, releases, active),
            }
            match active {
                Some(false) => return Outcome::Released { releases },
                // A handle that came meanwhile holds the device from now on.
                Some(true) if releases == self.policy.releases || !exclusive.nobody_came() => {
                    return Outcome::StillActive { releases };
                }
                Some(true) => {}
                None => return failed(device, state, releases, None),
            }
        }
    }

    /// The findings, made when there is something to say.
    pub(super) fn findings(&mut self) -> &mut Findings {
        let devices = self.driver.devices().len();
        self.findings.get_or_insert_with(|| Box::new(Findings::with_room_for(devices)))
    }

    pub(super) fn record(&mut self, call: Call) {
        self.findings().record(call);
    }
}

fn failed(device: Device, call: Call, releases: u32, active: Option<bool>) -> Outcome {
    Outcome::Failed { error: device.error(call), releases, active }
}
