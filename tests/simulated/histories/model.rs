//! The model: a few counts, and what follows from them as the driver was measured.

use cuda_primary_context::Planned;

use super::operation::Policy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// References of all holders: each green context took one when it was made.
    pub references: u32,
    pub active: bool,
    /// Living green contexts.
    pub green_contexts: u32,
    /// Live handles of this crate.
    pub handles: u32,
    /// How often the context was activated.
    pub generation: u32,
}

/// What is on the thread's stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// The primary context of a device.
    Primary(usize),
    /// One of `cuCtxCreate`, by its number.
    Ordinary(usize),
}

#[derive(Debug)]
pub struct Model {
    pub devices: Vec<Device>,
    /// The contexts of `cuCtxCreate`: the device, and whether it lives.
    pub ordinary: Vec<(usize, bool)>,
    /// What the thread has made current, the bottom first.
    pub stack: Vec<Context>,
    /// Whether the driver names the device of a current context that is destroyed.
    pub names_dead: bool,
    /// Releases that found no reference.
    pub underflows: u64,
}

/// What a release does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    Released,
    /// 800: it took a green context's reference.
    OfGreenContext,
    /// 201: there was none.
    Refused,
}

/// The kind of an outcome, and its number of releases or handles.
pub type Outcome = (&'static str, u32);

/// How a scope ends.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Left,
    /// Another context was on top, and is again.
    NotCurrent,
    /// This call was refused.
    Refused(&'static str),
}

impl Model {
    pub fn retain(&mut self, device: usize, references: u32) {
        let device = &mut self.devices[device];
        device.generation += u32::from(!device.active && references > 0);
        device.active |= references > 0;
        device.references += references;
    }

    pub fn release(&mut self, device: usize) -> Release {
        let device = &mut self.devices[device];
        if device.references == 0 {
            self.underflows += 1;
            return Release::Refused;
        }
        device.references -= 1;
        if device.references > 0 {
            return Release::Released;
        }
        device.active = device.green_contexts > 0;
        if device.active { Release::OfGreenContext } else { Release::Released }
    }

    /// A release by this crate, which gives a green context back what it took.
    pub fn release_and_undo(&mut self, device: usize) -> Release {
        let release = self.release(device);
        if release == Release::OfGreenContext {
            self.retain(device, 1);
        }
        release
    }

    /// Its end gives one reference back, and changes nothing if there is none.
    pub fn remove_green(&mut self, device: usize) {
        let device = &mut self.devices[device];
        device.green_contexts -= 1;
        if device.references > 0 {
            device.references -= 1;
            device.active = device.references > 0 || device.green_contexts > 0;
        }
    }

    pub fn device_of(&self, context: Context) -> usize {
        match context {
            Context::Primary(device) => device,
            Context::Ordinary(number) => self.ordinary[number].0,
        }
    }

    pub fn is_alive(&self, context: Context) -> bool {
        match context {
            Context::Primary(device) => self.devices[device].active,
            Context::Ordinary(number) => self.ordinary[number].1,
        }
    }

    /// Whether the driver takes it: a dead primary context, too.
    pub fn push(&mut self, context: Context) -> bool {
        let taken = matches!(context, Context::Primary(_)) || self.is_alive(context);
        self.stack.extend(taken.then_some(context));
        taken
    }

    /// The top of the stack is replaced, or taken away.
    pub fn set_current(&mut self, context: Option<Context>) {
        let _ = self.stack.pop();
        self.stack.extend(context);
    }

    /// The end of a scope on this device: what is on top is popped, and put back if it is another.
    pub fn end_scope(&mut self, device: usize) -> End {
        match self.stack.pop() {
            None => End::Refused("cuCtxPopCurrent_v2"),
            Some(Context::Primary(popped)) if popped == device => End::Left,
            Some(other) if self.push(other) => End::NotCurrent,
            Some(_) => End::Refused("cuCtxPushCurrent_v2"),
        }
    }

    /// What the policy makes of each device, as the counts are now.
    pub fn plan(&self, kept: Option<usize>, policy: &Policy) -> Vec<Planned> {
        let plan = |(index, device): (usize, &Device)| match *device {
            _ if kept == Some(index) => Planned::Keep,
            _ if policy.keeps(index) => Planned::LeaveAlone,
            Device { active: false, .. } => Planned::AlreadyInactive,
            Device { handles, .. } if handles > 0 => Planned::HeldHere { handles },
            _ if policy.releases == 0 => Planned::LeaveActive,
            _ => Planned::Release { at_most: policy.releases },
        };
        self.devices.iter().enumerate().map(plan).collect()
    }

    /// A sweep: the outcomes, and the first device whose context was current and is destroyed.
    pub fn sweep(&mut self, kept: Option<usize>, policy: &Policy) -> (Vec<Outcome>, Option<u32>) {
        if let Some(kept) = kept {
            self.retain(kept, 1);
            self.devices[kept].handles += 1;
        }
        let mut switched = None;
        let plan = self.plan(kept, policy).into_iter().enumerate();
        let outcomes = plan.map(|(index, planned)| match planned {
            Planned::Keep => ("kept", 0),
            Planned::LeaveAlone => ("left_alone", 0),
            Planned::AlreadyInactive => ("already_inactive", 0),
            Planned::HeldHere { handles } => ("held_here", handles),
            Planned::Release { at_most } => self.sweep_one(index, kept, at_most, &mut switched),
            _ => ("still_active", 0),
        });
        (outcomes.collect(), switched)
    }

    /// Releases on one device, with the thread elsewhere meanwhile.
    fn sweep_one(
        &mut self,
        index: usize,
        kept: Option<usize>,
        at_most: u32,
        switched: &mut Option<u32>,
    ) -> Outcome {
        let top = self.stack.last().copied();
        let former = top
            .filter(|&top| self.device_of(top) == index && (self.is_alive(top) || self.names_dead));
        let outcome = self.release_up_to(index, at_most);
        if former.is_some_and(|former| !self.is_alive(former)) {
            self.set_current(kept.map(Context::Primary));
            switched.get_or_insert(index as u32);
        }
        outcome
    }

    fn release_up_to(&mut self, index: usize, at_most: u32) -> Outcome {
        for releases in 0..at_most {
            match self.release_and_undo(index) {
                Release::OfGreenContext => return ("held_by_green_context", releases),
                // Nobody holds what is active all the same.
                Release::Refused => return ("failed", releases),
                Release::Released if !self.devices[index].active => {
                    return ("released", releases + 1);
                }
                Release::Released => {}
            }
        }
        ("still_active", at_most)
    }
}
