//! The driver's checkpoint calls for a process, each written once. They need no `cuInit`.
//!
//! The argument structs are 64 bytes in every version, and unused bytes must be zero. They are zeroed whole; the
//! fields that are set have the same offset in every driver from CUDA 12.8 on.

use std::ffi::{c_char, c_int, c_uint};
use std::mem::zeroed;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::map::GpuMap;
use crate::checkpoint::state::State;
use crate::checkpoint::target::Target;
use crate::driver::uuid::Uuid;
use crate::sys::{self, CUresult};

/// The exact C names, for errors and reports.
pub(super) const GET_STATE: &str = "cuCheckpointProcessGetState";
pub(super) const LOCK: &str = "cuCheckpointProcessLock";
pub(super) const CHECKPOINT: &str = "cuCheckpointProcessCheckpoint";
pub(super) const RESTORE: &str = "cuCheckpointProcessRestore";
pub(super) const UNLOCK: &str = "cuCheckpointProcessUnlock";

impl Target {
    pub(super) fn state(&self) -> Result<State, CheckpointError> {
        let mut state = sys::CUprocessState(0);
        let get_state = self.functions.get_state.function;
        // SAFETY: the out-parameter is a state of ours, and any number may stand in it.
        self.call(GET_STATE, |pid| unsafe { get_state(pid, &mut state) })?;
        Ok(state.into())
    }

    /// Waits for at most this many milliseconds; 0 means without a limit.
    pub(super) fn lock(&self, milliseconds: u32) -> Result<(), CheckpointError> {
        // SAFETY: integers alone, for which zero is a value.
        let mut arguments: sys::CUcheckpointLockArgs = unsafe { zeroed() };
        arguments.timeoutMs = milliseconds;
        let lock = self.functions.lock.function;
        // SAFETY: the arguments are the header's struct, and live through the call.
        self.call(LOCK, |pid| unsafe { lock(pid, &mut arguments) })
    }

    pub(super) fn checkpoint(&self) -> Result<(), CheckpointError> {
        // SAFETY: integers and null pointers, for which zero is a value.
        let mut arguments: sys::CUcheckpointCheckpointArgs = unsafe { zeroed() };
        let checkpoint = self.functions.checkpoint.function;
        // SAFETY: the arguments are the header's struct, and live through the call; all zero, they ask
        // for nothing beyond a checkpoint in host memory.
        self.call(CHECKPOINT, |pid| unsafe { checkpoint(pid, &mut arguments) })
    }

    pub(super) fn restore(&self, map: &GpuMap) -> Result<(), CheckpointError> {
        // SAFETY: integers and null pointers, for which zero is a value.
        let mut arguments: sys::CUcheckpointRestoreArgs = unsafe { zeroed() };
        let to_raw = |id: Uuid| sys::CUuuid { bytes: id.as_bytes().map(|byte| byte as c_char) };
        let mut pairs: Vec<[sys::CUuuid; 2]> =
            map.pairs().map(|pair| [pair.old, pair.new].map(to_raw)).collect();
        if !pairs.is_empty() {
            // The header of CUDA 12 has these bytes without their names.
            let start = (&raw mut arguments).cast::<u8>();
            // SAFETY: the struct is 64 bytes; a pointer is at its start, aligned for one.
            unsafe { start.cast::<*mut [sys::CUuuid; 2]>().write(pairs.as_mut_ptr()) };
            // SAFETY: as above: the number of pairs comes after the pointer.
            let count = unsafe { start.add(size_of::<*mut sys::CUuuid>()) }.cast::<c_uint>();
            // SAFETY: as above, and aligned for an int.
            unsafe { count.write(pairs.len() as c_uint) };
        }
        let restore = self.functions.restore.function;
        // SAFETY: the arguments and the pairs live through the call; a pair is two ids in a row.
        self.call(RESTORE, |pid| unsafe { restore(pid, &mut arguments) })
    }

    pub(super) fn unlock(&self) -> Result<(), CheckpointError> {
        self.call(UNLOCK, |pid| self.call_unlock(pid))
    }

    /// For Drop.
    pub(super) fn unlock_and_ignore_failure(&self) {
        let _ = self.call_for_code(|pid| self.call_unlock(pid));
    }

    fn call_unlock(&self, pid: c_int) -> CUresult {
        // SAFETY: integers alone, for which zero is a value.
        let mut arguments: sys::CUcheckpointUnlockArgs = unsafe { zeroed() };
        // SAFETY: the arguments are the header's struct, and live through the call.
        unsafe { (self.functions.unlock.function)(pid, &mut arguments) }
    }
}

const _: () = assert!(size_of::<sys::CUcheckpointRestoreArgs>() == 64);
const _: () = assert!(align_of::<sys::CUcheckpointRestoreArgs>() >= align_of::<*mut u8>());
