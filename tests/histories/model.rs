//! The reference model: a few counts, and what follows from them as the driver was measured.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// References, whoever has them: each green context took one when it was made.
    pub references: u32,
    pub active: bool,
    /// Living green contexts.
    pub greens: u32,
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

#[derive(Debug, Clone)]
pub struct Model {
    pub devices: Vec<Device>,
    /// The contexts of `cuCtxCreate`: the device, and whether it lives.
    pub ordinary: Vec<(usize, bool)>,
    /// What the thread has made current, the bottom first.
    pub stack: Vec<Context>,
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
    /// A context that lives is not made current again.
    NeverRestores,
    /// A green context does not get back what a release took.
    NeverUndoes,
    /// A context of `cuCtxCreate` goes with the primary context of its device.
    OrdinaryDiesWithPrimary,
    /// What nobody holds is not active.
    ForgetsOrphans,
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

impl Model {
    pub fn retain(&mut self, device: usize, references: u32) {
        let device = &mut self.devices[device];
        device.generation += u32::from(!device.active && references > 0);
        device.active |= references > 0;
        device.references += references;
    }

    pub fn release(&mut self, device: usize) -> Release {
        let mistake = self.mistake;
        let device = &mut self.devices[device];
        if device.references == 0 {
            self.underflows += 1;
            return Release::Refused;
        }
        device.references -= 1;
        if device.references > 0 {
            return Release::Released;
        }
        device.active = device.greens > 0 && mistake != Mistake::ForgetsOrphans;
        match device.greens {
            0 => Release::Released,
            _ => Release::OfGreenContext,
        }
    }

    /// A release by this crate, which gives a green context back what it took.
    pub fn release_and_undo(&mut self, device: usize) -> Release {
        let release = self.release(device);
        if release == Release::OfGreenContext && self.mistake != Mistake::NeverUndoes {
            self.retain(device, 1);
        }
        release
    }

    pub fn add_green(&mut self, device: usize) {
        self.retain(device, 1);
        self.devices[device].greens += 1;
    }

    /// Its end gives one reference back, and changes nothing where there is none.
    pub fn remove_green(&mut self, device: usize) {
        let device = &mut self.devices[device];
        device.greens -= 1;
        if device.references > 0 {
            device.references -= 1;
            device.active = device.references > 0 || device.greens > 0;
        }
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

    /// A context of `cuCtxCreate`, which is current then.
    pub fn make_ordinary(&mut self, device: usize) {
        self.ordinary.push((device, true));
        self.stack.push(Context::Ordinary(self.ordinary.len() - 1));
    }

    /// Taken off the stack only where it is on top.
    pub fn destroy_ordinary(&mut self, number: usize) {
        self.ordinary[number].1 = false;
        if self.stack.last() == Some(&Context::Ordinary(number)) {
            self.stack.pop();
        }
    }
}
