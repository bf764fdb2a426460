//! The public operations, but for loading and releasing stray contexts under their many conditions.
//! Each is a few steps, and each ends with every handle given back.

mod contexts;
mod questions;

use super::condition::Condition;
use super::recorder::Recorder;
use super::scene::Scene;
use crate::support::Machine;

#[allow(unused_imports, reason = "each test binary uses its part")]
pub use questions::{CALL_NOTHING, device_by_uuid, uuid};

/// An operation on the device of this ordinal.
pub type Body = fn(&mut Recorder<'_>, ordinal: u32);

/// An operation, and the calls that it makes on a device of this condition if none fails.
#[derive(Clone, Copy)]
pub struct Operation {
    pub name: &'static str,
    pub calls: fn(&Given) -> Vec<&'static str>,
    pub body: Body,
}

/// What an operation finds.
pub struct Given {
    pub condition: Condition,
    pub ordinal: u32,
    pub devices: u32,
}

impl Given {
    pub fn of(scene: &Scene, ordinal: u32) -> Self {
        let condition = scene.condition(ordinal);
        Self { condition, ordinal, devices: scene.devices() }
    }
}

/// All of them.
pub fn operations() -> impl Iterator<Item = Operation> {
    contexts::OPERATIONS.into_iter().chain(questions::OPERATIONS)
}

fn machine<'a>(recorder: &Recorder<'a>) -> &'a Machine {
    &recorder.stage.machine
}
