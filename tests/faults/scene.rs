//! What `retain_only` finds: the state of every device, the thread's contexts, the policy.

use cuda_primary_context::{Driver, StrayRelease};

use super::condition::Condition;
use super::truth::Context;

/// What may be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub keep: Vec<u32>,
    pub releases: u32,
}

impl Policy {
    /// That of `retain_only` without a policy.
    pub fn plain() -> Self {
        Self::releases(1)
    }

    pub fn releases(releases: u32) -> Self {
        Self { keep: Vec::new(), releases }
    }

    pub fn keep(ordinals: &[u32]) -> Self {
        Self { keep: ordinals.to_vec(), ..Self::plain() }
    }

    /// Each kept device is named by a call of its own.
    pub fn stray_release(&self, driver: Driver) -> StrayRelease {
        let mut policy = StrayRelease::new();
        for &ordinal in &self.keep {
            policy = policy.keep([driver.device(ordinal).expect("a device")]);
        }
        // SAFETY: nothing uses a simulated context.
        unsafe { policy.releases_up_to(self.releases) }
    }
}

/// One situation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The device to retain, or none: a run that retains nothing.
    pub kept: Option<u32>,
    /// One for each device, the kept one among them.
    pub conditions: Vec<Condition>,
    /// What the calling thread has on its stack, the bottom first. A primary context may be dead.
    pub stack: Vec<Context>,
    pub policy: Policy,
}

impl Scene {
    pub fn devices(&self) -> u32 {
        self.conditions.len() as u32
    }

    pub fn condition(&self, device: u32) -> Condition {
        self.conditions[device as usize]
    }

    /// Neither the device to keep, nor kept by the policy.
    pub fn is_other(&self, device: u32) -> bool {
        self.kept != Some(device) && !self.policy.keep.contains(&device)
    }

    /// Whether it is released, if the policy allows any release.
    pub fn is_stray(&self, device: u32) -> bool {
        let condition = self.condition(device);
        self.is_other(device) && condition.active() && condition.handles(device) == 0
    }

    /// How many driver calls are made here if none fails, with the release of the guard.
    pub fn clean_calls(&self) -> usize {
        let mut stack = self.stack.clone();
        let mut calls = if self.kept.is_some() { 2 } else { 0 };
        let mut thread_is_known = false;
        for device in (0..self.devices()).filter(|&device| self.is_other(device)) {
            calls += 1;
            if !self.is_stray(device) || self.policy.releases == 0 {
                continue;
            }
            if !thread_is_known {
                calls += if stack.is_empty() { 1 } else { 2 };
                thread_is_known = true;
            }
            let (releases, survives) = self.clean_releases(device);
            calls += releases;
            let Some(top) = stack.last().filter(|top| top.device == device).copied() else {
                continue;
            };
            // It is left, looked at, and made current again if it lives.
            calls += 2;
            thread_is_known = false;
            if survives || !top.primary {
                calls += 1;
                continue;
            }
            stack.pop();
            stack.extend(self.kept.map(|device| Context { device, primary: true }));
        }
        calls
    }

    /// The calls that release a stray device, and whether its context survives them.
    fn clean_releases(&self, device: u32) -> (usize, bool) {
        let condition = self.condition(device);
        let references = condition.references(device);
        let all = self.policy.releases >= references;
        match condition.greens(device) {
            // A release that is refused, and the state.
            _ if references == 0 => (2, true),
            // The last of them is undone by a retain, in place of the state.
            0 => (2 * self.policy.releases.min(references) as usize, !all),
            _ => (2 * self.policy.releases.min(references) as usize, true),
        }
    }
}
