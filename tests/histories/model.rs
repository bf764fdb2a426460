//! The reference model: a few counts, and what follows from them.

use cuda_primary_context::{CurrentContextChange, Driver, Outcome, Planned};

use super::operation::Policy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// References, whoever has them. The context is active while there are any.
    pub references: u32,
    /// Live handles of this crate.
    pub handles: u32,
    /// How often the context was activated.
    pub generation: u32,
}

#[derive(Debug, Clone)]
pub struct Model {
    pub driver: Driver,
    pub devices: Vec<Device>,
    /// The devices of the contexts that the thread has made current, the bottom first.
    pub stack: Vec<usize>,
    /// Whether the driver tells the device of a current context that is destroyed.
    pub names_dead: bool,
    /// Releases that found no reference.
    pub underflows: u64,
    pub mistake: Mistake,
}

/// What the model gets wrong: nothing, but where it is the model that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    None,
    /// Live handles do not keep a device from being released.
    ForgetsHandles,
    /// A reference given away still counts as a handle.
    KeepsLeakedHandles,
    /// A device that stays active keeps the thread off its context.
    NeverRestores,
}

impl Model {
    pub fn retain(&mut self, device: usize, references: u32) {
        let device = &mut self.devices[device];
        device.generation += u32::from(device.references == 0 && references > 0);
        device.references += references;
    }

    /// Whether there was a reference to release.
    pub fn release(&mut self, device: usize) -> bool {
        let references = &mut self.devices[device].references;
        let released = *references > 0;
        *references = references.saturating_sub(1);
        self.underflows += u64::from(!released);
        released
    }

    /// A handle more, or fewer.
    pub fn handle(&mut self, device: usize, change: i32) {
        let handles = &mut self.devices[device].handles;
        *handles = handles.checked_add_signed(change).expect("as many as there are");
    }

    pub fn leak(&mut self, device: usize) {
        if self.mistake != Mistake::KeepsLeakedHandles {
            self.handle(device, -1);
        }
    }

    /// The top of the stack is replaced, or taken away.
    pub fn set_current(&mut self, device: Option<usize>) {
        let _ = self.stack.pop();
        self.stack.extend(device);
    }

    /// What the policy makes of each device, as the counts are now.
    pub fn plan(&self, kept: usize, policy: &Policy) -> Vec<Planned> {
        let plan = |(index, device): (usize, &Device)| match device {
            _ if index == kept || policy.keeps(index) => Planned::Keep,
            Device { references: 0, .. } => Planned::AlreadyInactive,
            Device { handles, .. } if *handles > 0 && self.mistake != Mistake::ForgetsHandles => {
                Planned::HeldHere { handles: *handles }
            }
            _ => Planned::Release { at_most: policy.releases },
        };
        self.devices.iter().enumerate().map(plan).collect()
    }

    /// `retain_only`: the outcomes, and what becomes of the thread.
    pub fn retain_only(
        &mut self,
        kept: usize,
        policy: &Policy,
    ) -> (Vec<Outcome>, CurrentContextChange) {
        self.retain(kept, 1);
        self.handle(kept, 1);
        let on = self.stack.last().copied();
        let dead = on.is_some_and(|on| self.devices[on].references == 0);
        let mut change = CurrentContextChange::Unchanged;
        let plan = self.plan(kept, policy);
        let outcomes = plan.into_iter().enumerate().map(|(index, planned)| match planned {
            Planned::Keep => Outcome::Kept,
            Planned::AlreadyInactive => Outcome::AlreadyInactive,
            Planned::HeldHere { handles } => Outcome::HeldHere { handles },
            Planned::Release { at_most } => {
                let releases = at_most.min(self.devices[index].references);
                self.devices[index].references -= releases;
                let active = self.devices[index].references > 0;
                let restored = active && self.mistake != Mistake::NeverRestores;
                if releases > 0 && on == Some(index) && !restored {
                    change = CurrentContextChange::Switched {
                        from: self.driver.device(index as u32).ok(),
                    };
                }
                if releases > 0 && dead && !self.names_dead {
                    change = CurrentContextChange::Switched { from: None };
                }
                match active {
                    true => Outcome::StillActive { releases },
                    false => Outcome::Released { releases },
                }
            }
            other => unreachable!("{other:?} is no plan without faults"),
        });
        let outcomes = outcomes.collect();
        if change != CurrentContextChange::Unchanged {
            self.set_current(Some(kept));
        }
        (outcomes, change)
    }
}
