//! What others in the process do: their references, their green contexts, and whose a reference is.

use std::sync::{MutexGuard, PoisonError};

use crate::call::Taken;
use crate::control::RawTaken;
use crate::simulator::{Simulator, ordinal, succeed};

/// The owners that have no name of their own.
pub(crate) const UNNAMED_OWNERS: [&str; 3] = ["client", OTHER_LIBRARY, GREEN_CONTEXT];
const OTHER_LIBRARY: &str = "other library";
const GREEN_CONTEXT: &str = "green context";
const MOST_OWNERS: usize = 32;

impl Simulator {
    /// Another library in this process retains a device's primary context this many times.
    #[track_caller]
    pub fn retain_by_others(&self, device: u32, references: u32) {
        self.retain_by(OTHER_LIBRARY, device, references);
    }

    /// The same, by an owner of this name.
    #[track_caller]
    pub fn retain_by(&self, owner: &str, device: u32, references: u32) {
        let references = i32::try_from(references).expect("a number of references");
        succeed(self.change_references(self.owner(owner), device, references), "retain_by");
    }

    /// Another library in this process releases a device's primary context once. Like a release by
    /// anybody, one too many counts as an [underflow](Self::underflows) and does nothing else, and one
    /// that takes the last reference while a green context lives leaves the context active.
    #[track_caller]
    pub fn release_by_others(&self, device: u32) {
        let code = self.change_references(self.owner(OTHER_LIBRARY), device, -1);
        assert!(matches!(code, 0 | 201 | 800), "release_by_others: the driver returns {code}");
    }

    /// Another library makes a green context on a device, which holds the primary context with one
    /// ordinary reference. As measured, while a green context lives the release that takes the last
    /// reference returns 800, takes it all the same and leaves the context active.
    #[track_caller]
    pub fn add_green_context(&self, device: u32) {
        let owner = self.owner(GREEN_CONTEXT);
        succeed(self.change_references(owner, device, 1), "add_green_context");
    }

    /// That library destroys one green context. It gives one reference back; as measured, where none
    /// is left it changes nothing, and the primary context stays active.
    #[track_caller]
    pub fn remove_green_context(&self, device: u32) {
        let owner = self.owner(GREEN_CONTEXT);
        succeed(self.change_references(owner, device, -1), "remove_green_context");
    }

    fn change_references(&self, owner: u32, device: u32, change: i32) -> u32 {
        (self.controls.change_references)(owner, ordinal(device), change)
    }

    /// Runs a closure whose driver calls, on this thread, count as this owner's. Without it the owner
    /// is `"client"`. May be nested.
    #[track_caller]
    pub fn acting_as<T>(&self, owner: &str, action: impl FnOnce() -> T) -> T {
        let before = (self.controls.act_as)(self.owner(owner));
        let _restored = Restored { simulator: self, owner: before };
        action()
    }

    /// Every release, oldest first, whose owner had no reference of its own on that device and which
    /// so took somebody else's. (Of more than 16,384 the first are kept.)
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        // SAFETY: with no room, nothing is written.
        let count = unsafe { (self.controls.taken)(std::ptr::null_mut(), 0) };
        let mut raw = vec![RawTaken::default(); usize::try_from(count).expect("at most 16384")];
        // SAFETY: the pointer is to as many entries of the C layout as the count says.
        unsafe { (self.controls.taken)(raw.as_mut_ptr(), count) };
        raw.iter()
            .map(|entry| Taken {
                device: entry.device,
                by: self.owner_name(entry.by),
                from: self.owner_name(entry.from),
            })
            .collect()
    }

    /// The number of the owner of this name, a new one if there is none yet.
    #[track_caller]
    fn owner(&self, name: &str) -> u32 {
        let mut names = self.owner_names();
        let known = names.iter().position(|known| known == name);
        let owner = known.unwrap_or_else(|| {
            assert!(names.len() < MOST_OWNERS, "no owner {name:?}: {MOST_OWNERS} are the most");
            names.push(name.to_owned());
            names.len() - 1
        });
        owner as u32
    }

    fn owner_name(&self, owner: u32) -> String {
        self.owner_names()[owner as usize].clone()
    }

    fn owner_names(&self) -> MutexGuard<'_, Vec<String>> {
        self.owner_names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the thread act as whom it acted as before, also when the closure panics.
struct Restored<'simulator> {
    simulator: &'simulator Simulator,
    owner: u32,
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        (self.simulator.controls.act_as)(self.owner);
    }
}
