//! The processes of one machine, which suspend and resume one another.

use crate::control::Number;
use crate::simulator::{Simulator, succeed};

/// A process of the machine that has initialised CUDA, as its controllers find it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(C)] // as in c/simulated_cuda.h
pub struct Target {
    /// As `cuCheckpointProcessGetState` gives it: 0 running, 1 locked, 2 checkpointed, 3 failed.
    pub state: u32,
    /// Its driver calls under way, those that stand still in a hook included. Counted where the
    /// [machine](crate::Builder::machine) has a file.
    pub calls: u32,
    /// The time limit in milliseconds that the last lock received; 0 is without a limit.
    pub lock_milliseconds: u32,
    bytes: u64,
}

/// As `c/simulated_cuda.h` numbers them.
enum Trait {
    Busy,
    ManagedMemory,
    State,
}

/// Processes of this driver's [machine](crate::Builder::machine), named by their ids. GPUs are numbered
/// as they are on the machine, before `CUDA_VISIBLE_DEVICES`.
impl Simulator {
    /// A process of the machine; `None` where there is none of that id, or it has not initialised CUDA.
    #[must_use]
    pub fn target(&self, pid: u32) -> Option<Target> {
        let (code, target) = self.look_at(pid, 0);
        (code == 0).then_some(target)
    }

    /// What a process has on one GPU, or had there when it was checkpointed.
    #[must_use]
    #[track_caller]
    pub fn target_bytes(&self, pid: u32, gpu: u32) -> u64 {
        let (code, target) = self.look_at(pid, gpu);
        succeed(code, "target_bytes");
        target.bytes
    }

    fn look_at(&self, pid: u32, gpu: u32) -> (u32, Target) {
        let mut target = Target::default();
        // SAFETY: the pointer is to a target of the C layout.
        let code = unsafe { (self.controls.target)(process(pid), gpu, &raw mut target) };
        (code, target)
    }

    /// Gives a process work that does not end, so that no lock succeeds, or ends it.
    #[track_caller]
    pub fn set_busy(&self, pid: u32, busy: bool) {
        self.change(pid, Trait::Busy, busy.into());
    }

    /// Gives a process managed memory, so that no checkpoint succeeds, or takes it away.
    #[track_caller]
    pub fn set_managed_memory(&self, pid: u32, has: bool) {
        self.change(pid, Trait::ManagedMemory, has.into());
    }

    /// Puts a process in any state, whether a header knows it or not.
    #[track_caller]
    pub fn set_state(&self, pid: u32, state: u32) {
        self.change(pid, Trait::State, state);
    }

    #[track_caller]
    fn change(&self, pid: u32, changed: Trait, value: u32) {
        let code = (self.controls.change_target)(process(pid), changed as u32, value);
        succeed(code, "a change of a process");
    }

    /// Free bytes of a GPU of the machine, after what all its processes have there.
    #[must_use]
    pub fn machine_free(&self, gpu: u32) -> u64 {
        self.number(Number::FreeBytes, gpu)
    }

    /// The unique id of a GPU of the machine.
    #[must_use]
    #[track_caller]
    pub fn machine_uuid(&self, gpu: u32) -> [u8; 16] {
        let mut bytes = [0; 16];
        // SAFETY: the pointer is to sixteen bytes.
        let known = unsafe { (self.controls.machine_uuid)(gpu, bytes.as_mut_ptr()) };
        assert!(known != 0, "no simulated machine has a GPU {gpu}");
        bytes
    }
}

/// Numbers beyond the C type become its greatest, which no process has.
fn process(pid: u32) -> i32 {
    i32::try_from(pid).unwrap_or(i32::MAX)
}
