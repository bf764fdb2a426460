//! Which contexts are strays, and whether `--forbid` and `--deny` succeed.

use crate::model::{Device, Model, Process};
use crate::only::{DeviceName, Only};
use crate::options::Forbid;
use crate::report::{Surroundings, counted};

/// The outcome of `--forbid` and `--deny`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verdict {
    #[default]
    Passed,
    Stray,
    NotJudged(Vec<String>),
}

/// Judges devices of processes by the options.
#[derive(Debug)]
pub struct Judge<'trace> {
    model: &'trace Model,
    only: Option<&'trace Only>,
    /// Whether a context on any device counts, because a gate was passed without `--only`.
    none_is_allowed: bool,
    /// Names of devices that no process has.
    missing: Vec<&'trace DeviceName>,
}

impl<'trace> Judge<'trace> {
    /// Judges by `--only`; by `--forbid` and `--deny` if that was not passed.
    pub fn new(model: &'trace Model, about: &'trace Surroundings) -> Self {
        let names = match &about.options.only {
            Some(Only::Devices(names)) => &names[..],
            _ => &[],
        };
        let missing = names.iter().enumerate().filter(|(index, name)| !exists(*index, name, model));
        let missing = missing.map(|(_, name)| name).collect();
        let none_is_allowed = about.options.is_gate();
        Self { model, only: about.options.only.as_ref(), none_is_allowed, missing }
    }

    pub fn judges(&self) -> bool {
        self.only.is_some() || self.none_is_allowed
    }

    /// Whether a process may hold a context on its device. `None`: this cannot be judged.
    pub fn allows(&self, process: &Process, device: &Device) -> Option<bool> {
        match self.only {
            None => self.none_is_allowed.then_some(false),
            Some(Only::One) => {
                let used = process.devices().filter(|device| device.creations.total > 0);
                Some(used.count() < 2 && device.denied == 0)
            }
            Some(Only::Devices(_)) if !self.missing.is_empty() => {
                device.about.allowed.filter(|&allowed| allowed)
            }
            Some(_) => device.about.allowed,
        }
    }

    /// Whether a stray was created on this device. A refused context is no stray.
    pub fn is_stray(&self, process: &Process, device: &Device) -> bool {
        device.creations.total > 0 && self.allows(process, device) == Some(false)
    }

    /// Whether a stray is still held at the end.
    pub fn is_held_stray(&self, process: &Process, device: &Device) -> bool {
        // A process may keep one of its devices.
        let most = if self.only == Some(&Only::One) { 2 } else { 1 };
        self.is_stray(process, device)
            && device.has_held_context()
            && process.devices().filter(|device| device.has_held_context()).count() >= most
    }

    /// The devices of the processes for which this holds.
    fn devices(&self, test: impl Fn(&Process, &Device) -> bool) -> Devices<'trace> {
        devices(self.model).filter(|(process, device)| test(process, device)).collect()
    }

    pub fn strays(&self) -> Devices<'trace> {
        self.devices(|process, device| self.is_stray(process, device))
    }

    /// Devices that cannot be judged although a context on them was created or refused.
    pub fn unknown(&self) -> Devices<'trace> {
        self.devices(|process, device| {
            let is_used = device.creations.total > 0 || device.denied > 0;
            self.judges() && is_used && self.allows(process, device).is_none()
        })
    }

    /// Why it is unknown which devices a process may use. `None`: `--only` names a missing device.
    pub fn why_unknown(&self, process: &Process, device: &Device) -> Option<String> {
        let why = match (process.about.local_rank, device.about.count) {
            _ if !self.missing.is_empty() => return None,
            (None, _) if self.only == Some(&Only::LocalRank) => process
                .malformed_rank()
                .unwrap_or_else(|| "no launcher set a rank (LOCAL_RANK)".to_owned()),
            (Some(rank), Some(count)) if rank >= count => {
                format!("there is no device for its rank {rank}")
            }
            _ => "its devices could not be listed".to_owned(),
        };
        Some(why)
    }

    /// The devices that `--only` names and no process has, a sentence each.
    pub fn missing_devices(&self) -> Vec<String> {
        let mut processes = self.model.processes.iter();
        let is_renumbered =
            processes.any(|process| process.variable("CUDA_VISIBLE_DEVICES").is_some());
        let after = if is_renumbered { " (after CUDA_VISIBLE_DEVICES)" } else { "" };
        let count = devices(self.model).filter_map(|(_, device)| device.about.count).max();
        let last = count.filter(|&count| count > 0).map(|count| {
            let devices = counted(count.into(), "device", "devices");
            format!(": no process sees more than {devices}")
        });
        let last = last.unwrap_or_default();
        let sentence = |name: &&DeviceName| match name {
            DeviceName::Ordinal(ordinal) => {
                format!("Device {ordinal} does not exist{last}{after}.")
            }
            DeviceName::Uuid(uuid) => format!("No process sees a device {uuid}{after}."),
        };
        self.missing.iter().map(sentence).collect()
    }

    /// Devices on which a call that did not return may have created a stray.
    pub fn unfinished(&self) -> Devices<'trace> {
        let used = |device: &&Device| device.creations.total + device.unfinished_creations > 0;
        self.devices(|process, device| {
            let allowed = match self.only {
                Some(Only::One) => process.devices().filter(used).count() < 2,
                _ => self.allows(process, device) == Some(true),
            };
            device.unfinished_creations > 0 && !allowed
        })
    }
}

/// Devices with the processes that used them.
pub type Devices<'model> = Vec<(&'model Process, &'model Device)>;

pub fn devices(model: &Model) -> impl Iterator<Item = (&Process, &Device)> {
    let processes = model.processes.iter();
    processes.flat_map(|process| process.devices().map(move |device| (process, device)))
}

/// Whether a process has this device, as far as processes used devices.
fn exists(index: usize, name: &DeviceName, model: &Model) -> bool {
    let mut devices = devices(model).map(|(_, device)| device).peekable();
    devices.peek().is_none()
        || devices.any(|device| match name {
            DeviceName::Ordinal(ordinal) => {
                device.about.count.is_some_and(|count| *ordinal < count)
            }
            DeviceName::Uuid(_) => device.about.named >> index & 1 == 1,
        })
}

impl Verdict {
    pub fn of(model: &Model, about: &Surroundings) -> Self {
        if !about.options.is_gate() {
            return Self::Passed;
        }
        let judge = Judge::new(model, about);
        let strays = judge.strays();
        let denied = devices(model).any(|(_, device)| device.denied > 0);
        let forbidden = match about.options.forbid {
            Some(Forbid::Made) => !strays.is_empty() || denied,
            Some(Forbid::Held) => {
                strays.iter().any(|(process, device)| judge.is_held_stray(process, device))
            }
            None => false,
        };
        let forbidden = forbidden || (about.options.deny && !strays.is_empty());
        if forbidden {
            return Self::Stray;
        }
        let reasons = reasons(model, about, &judge);
        if reasons.is_empty() || about.options.allow_untraced {
            return Self::Passed;
        }
        Self::NotJudged(reasons)
    }
}

/// Why a run cannot be judged, a sentence each.
fn reasons(model: &Model, about: &Surroundings, judge: &Judge<'_>) -> Vec<String> {
    let mut reasons = judge.missing_devices();
    for (process, device) in judge.unknown() {
        let Some(why) = judge.why_unknown(process, device) else { continue };
        let (pid, name) = (process.pid, device.name());
        reasons.push(format!("Process {pid} created a context on {name}, but {why}."));
    }
    for (process, device) in judge.unfinished() {
        let (pid, name) = (process.pid, device.name());
        let text = "did not return from a call that creates a context on";
        reasons.push(format!("Process {pid} {text} {name}."));
    }
    for process in &model.processes {
        let pid = process.pid;
        if process.creations_elsewhere > 0 {
            reasons.push(format!(
                "Process {pid} created a context on an unknown device, or began to."
            ));
        }
        for library in &process.bypasses {
            let library = library.display();
            reasons.push(format!("Process {pid} also loaded {library}, which is not traced."));
        }
        if process.uncounted {
            reasons.push(format!("Process {pid} holds more than the witness can count."));
        }
    }
    reasons.extend(about.gaps(model));
    reasons
}
