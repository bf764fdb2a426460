//! What the model makes of a sweep and of its dry run.

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Error, Planned};

use super::model::{Context, Device, Mistake, Model, Release};
use super::operation::Policy;
use super::outcome::{Change, What};

impl Model {
    /// What the policy makes of each device, as the counts are now.
    pub fn plan(&self, kept: Option<usize>, policy: &Policy) -> Vec<Planned> {
        let plan = |(index, device): (usize, &Device)| match *device {
            _ if kept == Some(index) => Planned::Keep,
            _ if policy.keeps(index) => Planned::LeaveAlone,
            Device { active: false, .. } => Planned::AlreadyInactive,
            Device { handles, .. } if handles > 0 && self.mistake != Mistake::ForgetsHandles => {
                Planned::HeldHere { handles }
            }
            _ if policy.releases == 0 => Planned::LeaveActive,
            _ => Planned::Release { at_most: policy.releases },
        };
        self.devices.iter().enumerate().map(plan).collect()
    }

    /// A sweep: the outcomes, and what becomes of the thread.
    pub fn sweep(&mut self, kept: Option<usize>, policy: &Policy) -> (Vec<What>, Change) {
        if let Some(kept) = kept {
            self.retain(kept, 1);
            self.handle(kept, 1);
        }
        let mut change = Change::Unchanged;
        let plan = self.plan(kept, policy);
        let outcomes = plan.into_iter().enumerate().map(|(index, planned)| match planned {
            Planned::Keep => What::Kept,
            Planned::LeaveAlone => What::LeftAlone,
            Planned::AlreadyInactive => What::AlreadyInactive,
            Planned::HeldHere { handles } => What::HeldHere { handles },
            Planned::LeaveActive => What::StillActive { releases: 0 },
            Planned::Release { at_most } => self.sweep_one(index, kept, at_most, &mut change),
            other => unreachable!("{other:?} is no plan without faults"),
        });
        (outcomes.collect(), change)
    }

    /// Releases on one device, with the thread elsewhere meanwhile.
    fn sweep_one(
        &mut self,
        index: usize,
        kept: Option<usize>,
        at_most: u32,
        change: &mut Change,
    ) -> What {
        let top = self.stack.last().copied();
        let former = top
            .filter(|&top| self.device_of(top) == index && (self.is_alive(top) || self.names_dead));
        let outcome = self.release_up_to(index, at_most);
        let Some(former) = former else { return outcome };
        let goes_along = self.mistake == Mistake::OrdinaryDiesWithPrimary
            && matches!(former, Context::Ordinary(_))
            && !self.devices[index].active;
        if !self.is_alive(former) || goes_along || self.mistake == Mistake::NeverRestores {
            self.set_current(kept.map(Context::Primary));
            if *change == Change::Unchanged {
                *change = Change::Switched { from: index as u32 };
            }
        }
        outcome
    }

    fn release_up_to(&mut self, index: usize, at_most: u32) -> What {
        for releases in 0..at_most {
            match self.release_and_undo(index) {
                Release::OfGreenContext => return What::HeldByGreenContext { releases },
                // Nobody holds what is active all the same.
                Release::Refused => {
                    let error = refused(index);
                    return What::Failed { error, releases, active: Some(true) };
                }
                Release::Released if !self.devices[index].active => {
                    return What::Released { releases: releases + 1 };
                }
                Release::Released => {}
            }
        }
        What::StillActive { releases: at_most }
    }
}

/// The error of a release that found no reference.
pub fn refused(device: usize) -> Error {
    Error::Driver {
        call: "cuDevicePrimaryCtxRelease_v2",
        device: Some(device as u32),
        code: CUresult::CUDA_ERROR_INVALID_CONTEXT,
    }
}
