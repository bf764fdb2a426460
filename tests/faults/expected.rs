//! What a sweep has to do and to tell, step by step as the design has it, given what the driver
//! answered to each call and what each call did.

use cuda_primary_context::Error;

use super::log::{
    DESTROYED, Entry, GET_API_VERSION, GET_CURRENT, GET_DEVICE, GET_STATE, INVALID_CONTEXT,
    NOT_PERMITTED, POP, PUSH, RELEASE, RETAIN, SET_CURRENT,
};
use super::outcome::{Change, What};
use super::scene::Scene;
use super::told::{Line, Told};
use super::truth::{Context, Truth};

/// What is known of the thread.
#[derive(Debug, Clone, Copy)]
enum Thread {
    /// Nothing is current, or what the driver names no device of.
    OnNoDevice,
    On(Context),
}

/// A walk along the log.
struct Walk<'a> {
    scene: &'a Scene,
    entries: std::slice::Iter<'a, Entry>,
    truth: Truth,
    thread: Option<Thread>,
    change: Change,
    /// The calls for the device at hand.
    calls: Vec<(&'static str, u32)>,
}

/// Why the log is not that of the design.
type Departure = String;

/// What must be told, if the calls are those of the design; else what is wrong with them. `truth` is
/// what was so before.
pub fn expected(
    scene: &Scene,
    truth: Truth,
    entries: &[Entry],
) -> Result<Result<Told, Error>, Departure> {
    let mut walk = Walk {
        scene,
        entries: entries.iter(),
        truth,
        thread: None,
        change: Change::Unchanged,
        calls: Vec::new(),
    };
    let told = walk.sweep()?;
    match walk.entries.next() {
        None => Ok(told),
        Some(surplus) => Err(format!("a call that nothing asks for: {surplus:?}")),
    }
}

impl<'a> Walk<'a> {
    fn sweep(&mut self) -> Result<Result<Told, Error>, Departure> {
        if let Some(kept) = self.scene.kept {
            let retain = self.retain(kept)?;
            if retain.failed() {
                return Ok(Err(retain.error_for(kept)));
            }
        }
        let retain = std::mem::take(&mut self.calls);
        let mut lines = Vec::new();
        for ordinal in 0..self.scene.devices() {
            let retained = self.scene.kept == Some(ordinal);
            let (outcome, calls) = match self.scene.is_other(ordinal) {
                true => (self.device(ordinal)?, std::mem::take(&mut self.calls)),
                false if retained => (What::Kept, retain.clone()),
                false => (What::LeftAlone, Vec::new()),
            };
            lines.push(Line { ordinal, outcome, calls });
        }
        Ok(Ok(Told::new(lines, self.change.clone())))
    }

    fn device(&mut self, device: u32) -> Result<What, Departure> {
        let state = self.take(GET_STATE, Some(device))?;
        let handles = self.scene.condition(device).handles(device);
        if state.failed() {
            return Ok(failed(state, device, 0, None));
        }
        if !self.truth.primary(device).active {
            return Ok(What::AlreadyInactive);
        }
        if handles > 0 {
            return Ok(What::HeldHere { handles });
        }
        if self.scene.policy.releases == 0 {
            return Ok(What::StillActive { releases: 0 });
        }
        let former = match self.leave(device)? {
            Ok(former) => former,
            Err(call) => return Ok(failed(call, device, 0, Some(true))),
        };
        let outcome = self.release(device)?;
        if let Some(former) = former {
            self.come_back(former)?;
        }
        Ok(outcome)
    }

    /// Releases until the device is inactive, the policy's bound is reached, or a call fails.
    fn release(&mut self, device: u32) -> Result<What, Departure> {
        let mut releases = 0;
        loop {
            let release = self.take(RELEASE, Some(device))?;
            let answer = if release.reached { self.truth.release(device) } else { release.code };
            if !release.hit && answer != release.code {
                return Err(format!("the driver was measured to answer {answer}: {release:?}"));
            }
            if release.code == NOT_PERMITTED {
                let undo = self.retain(device)?;
                if !undo.failed() {
                    return Ok(What::HeldByGreenContext { releases });
                }
                let now = self.state(device)?.ok();
                return Ok(failed(undo, device, releases + 1, now));
            }
            let now = self.state(device)?;
            match release.code {
                0 => releases += 1,
                INVALID_CONTEXT if now == Ok(false) && releases == 0 => {
                    return Ok(What::AlreadyInactive);
                }
                INVALID_CONTEXT if now == Ok(false) => {}
                _ => return Ok(failed(release, device, releases, now.ok())),
            }
            match now {
                Ok(false) => return Ok(What::Released { releases }),
                Ok(true) if releases == self.scene.policy.releases => {
                    return Ok(What::StillActive { releases });
                }
                Ok(true) => {}
                Err(state) => return Ok(failed(state, device, releases, None)),
            }
        }
    }

    fn retain(&mut self, device: u32) -> Result<&'a Entry, Departure> {
        let retain = self.take(RETAIN, Some(device))?;
        if retain.reached {
            self.truth.retain(device);
        }
        Ok(retain)
    }

    /// Whether the device is active, if the driver tells.
    fn state(&mut self, device: u32) -> Result<Result<bool, &'a Entry>, Departure> {
        let state = self.take(GET_STATE, Some(device))?;
        let active = self.truth.primary(device).active;
        Ok(if state.failed() { Err(state) } else { Ok(active) })
    }

    /// Takes the thread off a context of this device: which one, or the call that failed.
    #[allow(clippy::type_complexity, reason = "a departure, or a failure, or maybe a context")]
    fn leave(&mut self, device: u32) -> Result<Result<Option<Context>, &'a Entry>, Departure> {
        let thread = match self.thread {
            Some(thread) => thread,
            None => match self.ask_thread()? {
                Ok(thread) => thread,
                Err(call) => return Ok(Err(call)),
            },
        };
        let Thread::On(former) = thread else { return Ok(Ok(None)) };
        if former.device != device {
            return Ok(Ok(None));
        }
        self.thread = None;
        let left = match self.scene.kept {
            Some(kept) => self.set_current(Context { device: kept, primary: true })?,
            None => {
                let pop = self.take(POP, self.top_device())?;
                if pop.reached {
                    let _ = self.truth.stack.pop();
                }
                pop
            }
        };
        if !left.failed() {
            return Ok(Ok(Some(former)));
        }
        // It may have had its effect all the same.
        if !self.is_current(former)? {
            self.make_current_again(former)?;
        }
        Ok(Err(left))
    }

    fn ask_thread(&mut self) -> Result<Result<Thread, &'a Entry>, Departure> {
        let current = self.take(GET_CURRENT, self.top_device())?;
        if current.failed() {
            return Ok(Err(current));
        }
        let thread = match self.truth.stack.last().copied() {
            None => Thread::OnNoDevice,
            Some(top) => match self.take(GET_DEVICE, Some(top.device))? {
                device if !device.failed() => Thread::On(top),
                device if DESTROYED.contains(&device.code) => Thread::OnNoDevice,
                device => return Ok(Err(device)),
            },
        };
        self.thread = Some(thread);
        Ok(Ok(thread))
    }

    /// After the releases of the device that the thread was on.
    fn come_back(&mut self, former: Context) -> Result<(), Departure> {
        let alive = self.take(GET_API_VERSION, Some(former.device))?;
        if !alive.hit && alive.failed() == self.truth.is_alive(former) {
            return Err(format!("the driver was measured to know the living: {alive:?}"));
        }
        match alive.code {
            0 => self.make_current_again(former),
            code if DESTROYED.contains(&code) => {
                if self.change == Change::Unchanged {
                    self.change = Change::Switched { from: former.device };
                }
                Ok(())
            }
            _ => {
                self.not_restored(former, alive);
                Ok(())
            }
        }
    }

    fn make_current_again(&mut self, former: Context) -> Result<(), Departure> {
        self.thread = None;
        let call = match self.scene.kept {
            Some(_) => self.set_current(former)?,
            None => {
                let push = self.take(PUSH, Some(former.device))?;
                if push.reached {
                    self.truth.stack.push(former);
                }
                push
            }
        };
        if call.failed() && !self.is_current(former)? {
            self.not_restored(former, call);
        }
        Ok(())
    }

    fn set_current(&mut self, context: Context) -> Result<&'a Entry, Departure> {
        let set = self.take(SET_CURRENT, Some(context.device))?;
        if set.reached {
            self.truth.set_current(context);
        }
        Ok(set)
    }

    /// Whether this context is current, as far as the driver tells.
    fn is_current(&mut self, context: Context) -> Result<bool, Departure> {
        let current = self.take(GET_CURRENT, self.top_device())?;
        Ok(!current.failed() && self.truth.stack.last() == Some(&context))
    }

    fn not_restored(&mut self, former: Context, call: &Entry) {
        if self.change.error().is_none() {
            let error = call.error_for(former.device);
            self.change = Change::NotRestored { from: former.device, error };
        }
    }

    fn top_device(&self) -> Option<u32> {
        self.truth.stack.last().map(|top| top.device)
    }

    /// The next call, which must be this one.
    fn take(
        &mut self,
        function: &'static str,
        device: Option<u32>,
    ) -> Result<&'a Entry, Departure> {
        let wanted = || format!("wanted {function} for {device:?}");
        let entry = self.entries.next().ok_or_else(|| format!("{}: no call", wanted()))?;
        if !entry.is(function) || entry.device != device {
            return Err(format!("{}, and the call was {entry:?}", wanted()));
        }
        self.calls.push((function, entry.code));
        Ok(entry)
    }
}

fn failed(call: &Entry, device: u32, releases: u32, active: Option<bool>) -> What {
    What::Failed { error: call.error_for(device), releases, active }
}
