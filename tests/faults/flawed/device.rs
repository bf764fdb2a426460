//! What is done to one device.

use cuda_primary_context::Device;

use super::Flaw;
use super::sweeper::{Flawed, Walk};
use crate::faults::log::{GET_STATE, INVALID_CONTEXT, NOT_PERMITTED, RELEASE, RETAIN};
use crate::faults::outcome::What;

impl Flawed {
    pub(super) fn device(&self, device: Device, walk: &mut Walk<'_>) -> What {
        let late = walk.late.take();
        let outcome = self.deal_with(device, walk);
        if let Some(late) = late {
            let (code, _) = self.raw.retain(late);
            walk.calls.push((RETAIN, code));
        }
        if self.has(Flaw::OmitsCallsForTheThread) {
            walk.calls.retain(|(function, _)| !function.starts_with("cuCtx"));
        }
        outcome
    }

    fn deal_with(&self, device: Device, walk: &mut Walk<'_>) -> What {
        let ordinal = device.ordinal();
        let active = match self.state(device, walk) {
            Ok(active) => active,
            Err(code) => {
                if self.has(Flaw::OmitsTheFailingCall) {
                    walk.calls.pop();
                }
                let error = self.error(GET_STATE, ordinal, code);
                return What::Failed { error, releases: 0, active: None };
            }
        };
        let handles = device.handles().expect("no child is forked");
        match () {
            () if !active => return What::AlreadyInactive,
            () if handles > 0 && !self.has(Flaw::ReleasesHeldDevices) => {
                return What::HeldHere { handles };
            }
            () if self.policy.releases == 0 => return What::StillActive { releases: 0 },
            () => {}
        }
        let former = match self.leave(device, walk) {
            Ok(former) => former,
            Err((call, code)) => {
                let error = self.error(call, ordinal, code);
                return What::Failed { error, releases: 0, active: Some(true) };
            }
        };
        let outcome = self.release(device, walk);
        if let Some(former) = former {
            self.come_back(device, former, &outcome, walk);
        }
        outcome
    }

    /// The state, or the code that was answered in its place.
    fn state(&self, device: Device, walk: &mut Walk<'_>) -> Result<bool, u32> {
        let (code, active) = self.raw.state(device);
        walk.calls.push((GET_STATE, code));
        match code {
            0 => Ok(active),
            _ if self.has(Flaw::ReadsOutputs) => Ok(active),
            _ if self.has(Flaw::Swallows) => Ok(false),
            code => Err(code),
        }
    }

    fn release(&self, device: Device, walk: &mut Walk<'_>) -> What {
        let ordinal = device.ordinal();
        let mut releases = 0;
        let failed = |call, code, releases, active| {
            let releases = match self.flaw {
                Flaw::ForgetsReleases => 0,
                Flaw::CountsFailures => releases + 1,
                _ => releases,
            };
            What::Failed { error: self.error(call, ordinal, code), releases, active }
        };
        loop {
            let code = self.release_once(device, walk);
            if code == NOT_PERMITTED {
                let undo = self.undo(device, walk);
                if undo == 0 {
                    return What::HeldByGreenContext { releases };
                }
                let now = self.state(device, walk).ok();
                return failed(RETAIN, undo, releases + 1, now);
            }
            if code == INVALID_CONTEXT && self.has(Flaw::BelievesRefusals) {
                let _ = self.state(device, walk);
                return match releases {
                    0 => What::AlreadyInactive,
                    releases => What::Released { releases },
                };
            }
            if code != 0 && self.has(Flaw::AsksNoState) {
                return failed(RELEASE, code, releases, Some(true));
            }
            let now = self.state(device, walk);
            match (code, now) {
                (0, _) => releases += 1,
                (INVALID_CONTEXT, Ok(false)) if releases == 0 => return What::AlreadyInactive,
                (INVALID_CONTEXT, Ok(false)) => {}
                (code, now) => return failed(RELEASE, code, releases, now.ok()),
            }
            match now {
                Ok(false) => return What::Released { releases },
                Ok(true) if releases == self.policy.releases => {
                    return What::StillActive { releases };
                }
                Ok(true) => {}
                Err(code) => return failed(GET_STATE, code, releases, None),
            }
        }
    }

    fn release_once(&self, device: Device, walk: &mut Walk<'_>) -> u32 {
        if self.has(Flaw::RetainsElsewhere) {
            walk.calls.push((RETAIN, self.raw.retain(device).0));
        }
        let code = self.raw.release(device);
        walk.calls.push((RELEASE, code));
        if !self.has(Flaw::ReleasesTwice) || matches!(code, 0 | NOT_PERMITTED) {
            return code;
        }
        let again = self.raw.release(device);
        walk.calls.push((RELEASE, again));
        again
    }

    /// Gives a green context its reference back; what the retain answered.
    fn undo(&self, device: Device, walk: &mut Walk<'_>) -> u32 {
        if self.has(Flaw::NeverUndoes) {
            return 0;
        }
        if self.has(Flaw::UndoesLate) {
            walk.late = Some(device);
            return 0;
        }
        if self.has(Flaw::UndoesTwice) {
            walk.calls.push((RETAIN, self.raw.retain(device).0));
        }
        let (code, _) = self.raw.retain(device);
        if !self.has(Flaw::OmitsTheRetainThatUndoes) {
            walk.calls.push((RETAIN, code));
        }
        code
    }
}
