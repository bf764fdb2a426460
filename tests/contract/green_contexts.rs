//! What references green contexts hold, and what becomes of those that somebody else releases.
//!
//! A green context holds one ordinary reference. A release that takes the last one while a green
//! context lives returns 800, takes it all the same and leaves the context active: every result here
//! goes with the state behind it.

use std::mem::MaybeUninit;
use std::ptr;

use cuda_primary_context::sys::{CUdevResourceType, CUgreenCtx};

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::{Library, Returned, call};

/// The flag that cuGreenCtxCreate demands.
const DEFAULT_STREAM: u32 = 1;

/// A device and the results of calls on it, each with the state that follows.
pub struct Device {
    library: Library,
    device: i32,
}

impl Device {
    /// The first device, if the driver has green contexts: they came with CUDA 12.4.
    fn first(machine: &Machine, questions: &Questions) -> Option<Self> {
        let library = machine.initialised();
        Self::new(library, library.device(0), questions)
    }

    /// The same for any device of an initialised driver.
    pub fn new(library: Library, device: i32, questions: &Questions) -> Option<Self> {
        if library.symbol(c"cuGreenCtxCreate").is_none() {
            questions.skip("they need green contexts: the driver lacks cuGreenCtxCreate");
            return None;
        }
        Some(Self { library, device })
    }

    fn after(&self, result: Returned) -> String {
        format!("{result} {}", self.library.state(self.device))
    }

    fn state(&self) -> String {
        self.library.state(self.device)
    }

    fn retain(&self) -> String {
        self.after(self.library.retain(self.device).0)
    }

    fn release(&self) -> String {
        self.after(self.library.release(self.device))
    }

    fn reset(&self) -> String {
        self.after(call!(self.library, cuDevicePrimaryCtxReset_v11000(self.device)))
    }

    /// A green context over all multiprocessors of the device.
    pub fn create(&self, questions: &Questions) -> CUgreenCtx {
        let (library, device) = (self.library, self.device);
        let multiprocessors = CUdevResourceType::CU_DEV_RESOURCE_TYPE_SM;
        let (mut resource, mut description) = (MaybeUninit::zeroed(), ptr::null_mut());
        let mut green = ptr::null_mut();
        let resource = resource.as_mut_ptr();
        let results = [
            call!(library, cuDeviceGetDevResource_v12040(device, resource, multiprocessors)),
            call!(library, cuDevResourceGenerateDesc_v12040(&mut description, resource, 1)),
        ];
        questions.ask("resource and description", "0 0", {
            results.map(|result| result.to_string()).join(" ")
        });
        questions.ask("create", "0 1/0", {
            self.after(call!(
                library,
                cuGreenCtxCreate_v12040(&mut green, description, device, DEFAULT_STREAM)
            ))
        });
        green
    }

    pub fn destroy(&self, green: CUgreenCtx) -> String {
        self.after(call!(self.library, cuGreenCtxDestroy_v12040(green)))
    }
}

pub fn create_destroy(machine: &Machine, questions: &Questions) {
    let Some(device) = Device::first(machine, questions) else { return };
    let green = device.create(questions);
    questions.ask("destroy", "0 0/0", device.destroy(green));
    questions.ask("release", "201 0/0", device.release());
}

/// The destruction finds nothing to give back: the context stays for good.
pub fn create_release_destroy(machine: &Machine, questions: &Questions) {
    let Some(device) = Device::first(machine, questions) else { return };
    let green = device.create(questions);
    questions.ask("release", "800 1/0", device.release());
    questions.ask("destroy", "0 1/0", device.destroy(green));
    questions.ask("release afterwards", "201 1/0", device.release());
    questions.ask("and another", "201 1/0", device.release());
}

/// 201 does not say that the context is inactive.
pub fn release_while_active_returns_201(machine: &Machine, questions: &Questions) {
    let Some(device) = Device::first(machine, questions) else { return };
    let green = device.create(questions);
    questions.ask("the green context's reference", "800 1/0", device.release());
    questions.ask("one more", "201 1/0", device.release());
    questions.ask("destroy", "0 1/0", device.destroy(green));
}

pub fn retain_create_release_release_destroy(machine: &Machine, questions: &Questions) {
    let Some(device) = Device::first(machine, questions) else { return };
    questions.ask("retain", "0 1/0", device.retain());
    let green = device.create(questions);
    questions.ask("first release", "0 1/0", device.release());
    questions.ask("second release", "800 1/0", device.release());
    questions.ask("destroy", "0 1/0", device.destroy(green));
    questions.ask("release afterwards", "201 1/0", device.release());
}

/// Each holds its own reference.
pub fn two_green_contexts(machine: &Machine, questions: &Questions) {
    let Some(device) = Device::first(machine, questions) else { return };
    let first = device.create(&questions.of("first"));
    let second = device.create(&questions.of("second"));
    questions.ask("destroy the first", "0 1/0", device.destroy(first));
    questions.ask("destroy the second", "0 0/0", device.destroy(second));
}

pub fn two_green_contexts_and_two_releases(machine: &Machine, questions: &Questions) {
    let Some(device) = Device::first(machine, questions) else { return };
    let first = device.create(&questions.of("first"));
    let second = device.create(&questions.of("second"));
    questions.ask("first release", "0 1/0", device.release());
    questions.ask("second release", "800 1/0", device.release());
    questions.ask("destroy the first", "0 1/0", device.destroy(first));
    questions.ask("destroy the second", "0 1/0", device.destroy(second));
}

/// One retain while the green context lives is what it gives back later.
pub fn a_retain_undoes_it(machine: &Machine, questions: &Questions) {
    let Some(device) = Device::first(machine, questions) else { return };
    let green = device.create(questions);
    questions.ask("release", "800 1/0", device.release());
    questions.ask("retain", "0 1/0", device.retain());
    questions.ask("destroy", "0 0/0", device.destroy(green));
    questions.ask("release afterwards", "201 0/0", device.release());
}

pub fn a_retain_and_a_release_repair_it_later(machine: &Machine, questions: &Questions) {
    let Some(device) = Device::first(machine, questions) else { return };
    let green = device.create(questions);
    questions.ask("release", "800 1/0", device.release());
    questions.ask("destroy", "0 1/0", device.destroy(green));
    questions.ask("retain", "0 1/0", device.retain());
    questions.ask("release of that", "0 0/0", device.release());
    questions.ask("release afterwards", "201 0/0", device.release());
}

pub fn a_reset_repairs_it_later(machine: &Machine, questions: &Questions) {
    let Some(device) = Device::first(machine, questions) else { return };
    let green = device.create(questions);
    questions.ask("release", "800 1/0", device.release());
    questions.ask("destroy", "0 1/0", device.destroy(green));
    questions.ask("reset", "0 0/0", device.reset());
    questions.ask("retain", "0 1/0", device.retain());
    questions.ask("release of that", "0 0/0", device.release());
    questions.ask("state at the end", "0/0", device.state());
}
