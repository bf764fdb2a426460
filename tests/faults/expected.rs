//! What `retain_only` has to do and to tell, step by step as the design has it, given what the driver
//! answered to each call.

use cuda_primary_context::{CurrentContextChange, Driver, Error, Outcome};

use super::benign::{Place, is_benign};
use super::log::{Entry, GET_CURRENT, GET_DEVICE, GET_STATE, RELEASE, RETAIN, SET_CURRENT, replay};
use super::scene::Scene;
use super::told::{Line, Told};

/// What is known of the thread's current context.
#[derive(Debug, Clone)]
enum Thread {
    NotAsked,
    /// It is nothing, or of a device that is no concern.
    On(Option<u32>),
    /// Destroyed, and of no device that the driver would name.
    Unnamed,
    Unknown(Error),
}

/// A walk along the log.
struct Walk<'a> {
    driver: Driver,
    scene: &'a Scene,
    entries: &'a [Entry],
    taken: Vec<bool>,
    references: Vec<u32>,
    /// The device of the context that the thread really has current.
    current: Option<u32>,
    thread: Thread,
    /// The device whose context the thread was moved off.
    left: Option<u32>,
    change: CurrentContextChange,
}

/// What must be told, if the calls are those of the design; else what is wrong with them.
pub fn expected(
    driver: Driver,
    scene: &Scene,
    references: &[u32],
    current: Option<u32>,
    entries: &[Entry],
) -> Result<Result<Told, Error>, String> {
    let mut walk = Walk {
        driver,
        scene,
        entries,
        taken: vec![false; entries.len()],
        references: references.to_vec(),
        current,
        thread: Thread::NotAsked,
        left: None,
        change: CurrentContextChange::Unchanged,
    };
    let told = walk.retain_only()?;
    match walk.taken.iter().position(|taken| !taken) {
        None => Ok(told),
        Some(surplus) => Err(format!("a call that nothing asks for: {:?}", entries[surplus])),
    }
}

impl<'a> Walk<'a> {
    fn retain_only(&mut self) -> Result<Result<Told, Error>, String> {
        let Scene { kept, ref policy, .. } = *self.scene;
        let retain = self.next(RETAIN, Some(kept))?;
        if retain.failed() {
            return Ok(Err(retain.error()));
        }
        let at_once = policy.threads > 1;
        let mut lines = Vec::new();
        for device in 0..self.scene.devices() {
            let mut line = Line { ordinal: device, outcome: Outcome::Kept, calls: Vec::new() };
            if device == kept {
                line.calls.push((RETAIN, 0));
            } else if self.scene.is_other(device) && self.assess(device, &mut line)? && !at_once {
                self.drain(device, &mut line)?;
                self.restore(device, &line)?;
            }
            lines.push(line);
        }
        if at_once {
            // On several threads: in any order between devices, and before the thread is restored.
            for line in lines.iter_mut().filter(|line| line.outcome == PENDING) {
                self.drain(line.ordinal, line)?;
            }
            if let Some(left) = self.left {
                self.restore(left, &lines[left as usize])?;
            }
        }
        Ok(Ok(Told::new(lines, self.change.clone())))
    }

    /// Asks for the state; whether the device is to be released.
    fn assess(&mut self, device: u32, line: &mut Line) -> Result<bool, String> {
        let state = self.for_device(GET_STATE, device, line)?;
        let handles = self.scene.condition(device).handles(device);
        line.outcome = match () {
            () if state.failed() => Outcome::Failed(state.error()),
            () if self.references[device as usize] == 0 => Outcome::AlreadyInactive,
            () if handles > 0 => Outcome::HeldHere { handles },
            () if self.scene.policy.releases == 0 => Outcome::StillActive { releases: 0 },
            () => match self.leave(device)? {
                Ok(()) => PENDING,
                Err(error) => Outcome::Failed(error),
            },
        };
        Ok(line.outcome == PENDING)
    }

    /// Makes sure that the thread is not on this device's context.
    fn leave(&mut self, device: u32) -> Result<Result<(), Error>, String> {
        if matches!(self.thread, Thread::NotAsked) {
            self.thread = self.ask_thread()?;
        }
        let from = match &self.thread {
            Thread::Unknown(error) => return Ok(Err(error.clone())),
            Thread::On(on) if *on == Some(device) => Some(device),
            Thread::Unnamed => None,
            Thread::On(_) | Thread::NotAsked => return Ok(Ok(())),
        };
        let set = self.next(SET_CURRENT, Some(self.scene.kept))?;
        if set.done {
            self.current = Some(self.scene.kept);
        }
        if set.failed() {
            if from.is_none() {
                self.thread = Thread::Unknown(set.error());
            }
            return Ok(Err(set.error()));
        }
        self.thread = Thread::On(Some(self.scene.kept));
        self.left = from;
        self.change = CurrentContextChange::Switched { from: from.map(|from| self.device(from)) };
        Ok(Ok(()))
    }

    fn ask_thread(&mut self) -> Result<Thread, String> {
        let current = self.next(GET_CURRENT, self.current)?;
        if current.failed() {
            return Ok(Thread::Unknown(current.error()));
        }
        if self.current.is_none() {
            return Ok(Thread::On(None));
        }
        let device = self.next(GET_DEVICE, self.current)?;
        Ok(match () {
            () if is_benign(Place::Sweep, device) => Thread::Unnamed,
            () if device.failed() => Thread::Unknown(device.error()),
            () => Thread::On(self.current),
        })
    }

    /// Releases until the device is inactive, the policy's bound is reached, or a call fails.
    fn drain(&mut self, device: u32, line: &mut Line) -> Result<(), String> {
        let mut releases = 0;
        let without_active = |releases| match releases {
            0 => Outcome::AlreadyInactive,
            releases => Outcome::Released { releases },
        };
        line.outcome = loop {
            let release = self.for_device(RELEASE, device, line)?;
            replay(&mut self.references, std::slice::from_ref(release));
            if is_benign(Place::Sweep, release) {
                break without_active(releases);
            }
            if release.failed() {
                break Outcome::Failed(release.error());
            }
            releases += 1;
            let state = self.for_device(GET_STATE, device, line)?;
            if state.failed() {
                break Outcome::Failed(state.error());
            }
            if self.references[device as usize] == 0 {
                break without_active(releases);
            }
            if releases == self.scene.policy.releases {
                break Outcome::StillActive { releases };
            }
        };
        Ok(())
    }

    /// Puts the thread back on the context of a device that stayed active.
    fn restore(&mut self, device: u32, line: &Line) -> Result<(), String> {
        let active = matches!(line.outcome, Outcome::StillActive { .. });
        if self.left != Some(device) || !active {
            return Ok(());
        }
        let set = self.next(SET_CURRENT, Some(device))?;
        self.change = match set.failed() {
            true => CurrentContextChange::NotRestored(set.error()),
            false => CurrentContextChange::Unchanged,
        };
        Ok(())
    }

    /// The next call, which must be this one.
    fn next(&mut self, function: &str, device: Option<u32>) -> Result<&'a Entry, String> {
        let next = self.taken.iter().position(|taken| !taken);
        self.take(next, function, device)
    }

    /// The next call for a device, for its line.
    fn for_device(
        &mut self,
        function: &'static str,
        device: u32,
        line: &mut Line,
    ) -> Result<&'a Entry, String> {
        let at_once = line.outcome == PENDING && self.scene.policy.threads > 1;
        let next = (0..self.entries.len()).find(|&index| {
            !self.taken[index] && (!at_once || self.entries[index].device == Some(device))
        });
        let entry = self.take(next, function, Some(device))?;
        line.calls.push((function, entry.code));
        Ok(entry)
    }

    fn take(
        &mut self,
        index: Option<usize>,
        function: &str,
        device: Option<u32>,
    ) -> Result<&'a Entry, String> {
        let wanted = || format!("wanted {function} for {device:?}");
        let index = index.ok_or_else(|| format!("{}, and there was no call", wanted()))?;
        let entry = &self.entries[index];
        if !entry.is(function) || entry.device != device {
            return Err(format!("{}, and the call was {entry:?}", wanted()));
        }
        self.taken[index] = true;
        Ok(entry)
    }

    fn device(&self, ordinal: u32) -> cuda_primary_context::Device {
        self.driver.device(ordinal).expect("a device of the scene")
    }
}

/// The mark of a device that is to be released, and was not yet.
const PENDING: Outcome = Outcome::Released { releases: 0 };
