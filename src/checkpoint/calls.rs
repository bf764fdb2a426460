//! The driver's checkpoint calls, each written once. They need no `cuInit`.
//!
//! The argument structs are 64 bytes in every version, and unused bytes must be zero. They are zeroed whole; the
//! fields that are set have the same offset in every driver from CUDA 12.8 on.

use std::ffi::{c_int, c_uint};
use std::mem::zeroed;
use std::path::Path;

use crate::checkpoint::map::GpuMap;
use crate::driver::functions::CheckpointFunctions;
use crate::driver::library::Library;
use crate::error::Error;
use crate::sys::{self, CUresult};

/// The exact C names, for errors and reports.
pub(super) const GET_STATE: &str = "cuCheckpointProcessGetState";
pub(super) const LOCK: &str = "cuCheckpointProcessLock";
pub(super) const CHECKPOINT: &str = "cuCheckpointProcessCheckpoint";
pub(super) const RESTORE: &str = "cuCheckpointProcessRestore";
pub(super) const UNLOCK: &str = "cuCheckpointProcessUnlock";

#[derive(Clone, Copy)]
pub(super) struct Calls(CheckpointFunctions);

impl Calls {
    pub(super) fn of(library: &Library, path: &Path) -> Result<Self, Error> {
        CheckpointFunctions::resolve(library, path).map(Self)
    }

    pub(super) fn get_state(&self, pid: u32) -> (CUresult, sys::CUprocessState) {
        let mut state = sys::CUprocessState(0);
        // SAFETY: the out-parameter is a state of ours, and any number may stand in it.
        let code = unsafe { (self.0.get_state.function)(pid as c_int, &mut state) };
        (code, state)
    }

    /// Waits for at most this many milliseconds; 0 means without a limit.
    pub(super) fn lock(&self, pid: u32, milliseconds: u32) -> CUresult {
        // SAFETY: integers alone, for which zero is a value.
        let mut arguments: sys::CUcheckpointLockArgs = unsafe { zeroed() };
        arguments.timeoutMs = milliseconds;
        // SAFETY: the arguments are the header's struct, and live through the call.
        unsafe { (self.0.lock.function)(pid as c_int, &mut arguments) }
    }

    pub(super) fn checkpoint(&self, pid: u32) -> CUresult {
        // SAFETY: integers and null pointers, for which zero is a value.
        let mut arguments: sys::CUcheckpointCheckpointArgs = unsafe { zeroed() };
        // SAFETY: the arguments are the header's struct, and live through the call; all zero, they ask
        // for nothing beyond a checkpoint in host memory.
        unsafe { (self.0.checkpoint.function)(pid as c_int, &mut arguments) }
    }

    pub(super) fn restore(&self, pid: u32, map: &GpuMap) -> CUresult {
        // SAFETY: integers and null pointers, for which zero is a value.
        let mut arguments: sys::CUcheckpointRestoreArgs = unsafe { zeroed() };
        let mut pairs: Vec<sys::CUuuid> = map
            .pairs()
            .flat_map(|pair| [pair.old, pair.new])
            .map(|id| raw(id.as_bytes()))
            .collect();
        if !pairs.is_empty() {
            // The header of CUDA 12 has these bytes without their names.
            let start = (&raw mut arguments).cast::<u8>();
            // SAFETY: the struct is 64 bytes; a pointer is at its start, aligned for one.
            unsafe { start.cast::<*mut sys::CUuuid>().write(pairs.as_mut_ptr()) };
            // SAFETY: as above: the number of pairs comes after the pointer.
            let count = unsafe { start.add(size_of::<*mut sys::CUuuid>()) }.cast::<c_uint>();
            // SAFETY: as above, and aligned for an int.
            unsafe { count.write((pairs.len() / 2) as c_uint) };
        }
        // SAFETY: the arguments and the pairs live through the call; a pair is two ids in a row.
        unsafe { (self.0.restore.function)(pid as c_int, &mut arguments) }
    }

    pub(super) fn unlock(&self, pid: u32) -> CUresult {
        // SAFETY: integers alone, for which zero is a value.
        let mut arguments: sys::CUcheckpointUnlockArgs = unsafe { zeroed() };
        // SAFETY: the arguments are the header's struct, and live through the call.
        unsafe { (self.0.unlock.function)(pid as c_int, &mut arguments) }
    }
}

fn raw(bytes: &[u8; 16]) -> sys::CUuuid {
    sys::CUuuid { bytes: bytes.map(|byte| byte as std::ffi::c_char) }
}

const _: () = assert!(size_of::<sys::CUcheckpointRestoreArgs>() == 64);
const _: () = assert!(align_of::<sys::CUcheckpointRestoreArgs>() >= align_of::<*mut u8>());
