//! What is done to the thread.

use cuda_primary_context::Device;
use cuda_primary_context::sys::{CUcontext, CUdevice};

use super::Flaw;
use super::sweeper::{Flawed, Walk};
use crate::faults::log::{
    DESTROYED, GET_API_VERSION, GET_CURRENT, GET_DEVICE, POP, PUSH, SET_CURRENT,
};
use crate::faults::outcome::{Change, What};

/// What is current.
#[derive(Clone, Copy)]
pub(super) enum Current {
    OfNoDevice,
    Of(CUdevice, CUcontext),
}

type Failure = (&'static str, u32);

impl Flawed {
    /// Takes the thread off a context of this device: which one.
    pub(super) fn leave(
        &self,
        device: Device,
        walk: &mut Walk<'_>,
    ) -> Result<Option<CUcontext>, Failure> {
        if self.has(Flaw::LeavesTheThreadDangling) {
            return Ok(None);
        }
        let current = match walk.current {
            Some(current) => current,
            None => self.ask_thread(walk)?,
        };
        walk.current = Some(current);
        let former = match current {
            Current::Of(of, former) if of == device.as_raw() => former,
            _ => return Ok(None),
        };
        walk.current = None;
        let (call, code) = match walk.kept {
            Some(kept) => (SET_CURRENT, self.raw.set_current(kept.as_raw())),
            None => (POP, self.raw.pop()),
        };
        walk.calls.push((call, code));
        if code == 0 {
            return Ok(Some(former));
        }
        let (current_code, current) = self.raw.current();
        walk.calls.push((GET_CURRENT, current_code));
        if current_code != 0 || current != former {
            self.make_current_again(device, former, walk);
        }
        Err((call, code))
    }

    fn ask_thread(&self, walk: &mut Walk<'_>) -> Result<Current, Failure> {
        let (code, current) = self.raw.current();
        walk.calls.push((GET_CURRENT, code));
        match code {
            0 if current.is_null() => return Ok(Current::OfNoDevice),
            0 => {}
            code => return Err((GET_CURRENT, code)),
        }
        let (code, device) = self.raw.device_of_current();
        walk.calls.push((GET_DEVICE, code));
        match code {
            0 => Ok(Current::Of(device, current)),
            code if DESTROYED.contains(&code) => Ok(Current::OfNoDevice),
            code => Err((GET_DEVICE, code)),
        }
    }

    /// After the releases of a device: makes the context that the thread was on current again, if it
    /// lives.
    pub(super) fn come_back(
        &self,
        device: Device,
        former: CUcontext,
        outcome: &What,
        walk: &mut Walk<'_>,
    ) {
        let code = self.raw.api_version(former);
        walk.calls.push((GET_API_VERSION, code));
        let dead = DESTROYED.contains(&code)
            || (self.has(Flaw::TakesOrdinaryForDead) && outcome.active() == Some(false));
        if self.has(Flaw::NeverRestores) {
            return;
        }
        if self.has(Flaw::GivesTheDeadBack) || code == 0 && !dead {
            return self.make_current_again(device, former, walk);
        }
        match dead {
            true if self.has(Flaw::SwitchesSilently) => {}
            true if walk.change == Change::Unchanged => {
                walk.change = Change::Switched { from: device.ordinal() };
            }
            true => {}
            false => self.not_restored(device, (GET_API_VERSION, code), walk),
        }
    }

    fn make_current_again(&self, device: Device, former: CUcontext, walk: &mut Walk<'_>) {
        let (call, code) = match walk.kept {
            Some(_) => (SET_CURRENT, self.raw.set_current(former)),
            None => (PUSH, self.raw.push(former)),
        };
        walk.calls.push((call, code));
        walk.current = None;
        if code == 0 {
            return;
        }
        let (current_code, current) = self.raw.current();
        walk.calls.push((GET_CURRENT, current_code));
        if current_code != 0 || current != former {
            self.not_restored(device, (call, code), walk);
        }
    }

    fn not_restored(&self, device: Device, (call, code): Failure, walk: &mut Walk<'_>) {
        if walk.change.error().is_none() {
            let from = device.ordinal();
            walk.change = Change::NotRestored { from, error: self.error(call, from, code) };
        }
    }
}
