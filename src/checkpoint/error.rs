//! What can go wrong with a checkpoint of another process.

use crate::checkpoint::calls::{CHECKPOINT, GET_STATE, LOCK, RESTORE, UNLOCK};
use crate::driver::uuid::Uuid;
use crate::sys::CUresult;

/// What went wrong, with the C function, the process and the number where a driver call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The driver could not be loaded, or lacks the functions: they came with CUDA 12.8 (driver 570).
    #[error(transparent)]
    Load(#[from] crate::error::Error),

    /// A driver call answered something other than `CUDA_SUCCESS`.
    #[error("{call} of process {pid} answered {code}{}", advice(call, *code))]
    Call {
        /// The C function.
        call: &'static str,
        /// The process that the call was for.
        pid: u32,
        /// What it answered.
        code: CUresult,
    },

    /// The process has ended, or another one has its id by now: before the driver call, which was not made
    /// then, or during it.
    #[error("process {pid} has ended")]
    #[non_exhaustive]
    Ended {
        /// The process id.
        pid: u32,
    },

    /// A device has not the room that a restore needs. No driver call was made, and the process is
    /// checkpointed as before: a restore without room destroys it.
    #[error(
        "device {device} has {free} bytes free, and the restore needs {needed}; make room first: a \
             restore that runs out of memory destroys the process"
    )]
    #[non_exhaustive]
    NoRoom {
        /// The device.
        device: Uuid,
        /// How many bytes the restore needs there.
        needed: u64,
        /// How many are free.
        free: u64,
    },

    /// A restore map lacks a GPU, though every GPU must be in it.
    #[error(
        "the restore map lacks {device}: it must name every GPU that the kernel driver showed at \
             the checkpoint, used or not"
    )]
    #[non_exhaustive]
    MapLacks {
        /// The GPU.
        device: Uuid,
    },

    /// A restore map names a GPU twice on one side.
    #[error("the restore map names {device} twice on one side")]
    #[non_exhaustive]
    MapNamesTwice {
        /// The GPU.
        device: Uuid,
    },

    /// The handle was made by the process that this one was forked from, and is that one's alone.
    #[error("the handle of process {pid} belongs to the process that this one was forked from")]
    #[non_exhaustive]
    ForkedController {
        /// The process that the handle stands for.
        pid: u32,
    },
}

impl CheckpointError {
    /// The C function that answered, where a driver call failed.
    #[must_use]
    pub fn call(&self) -> Option<&'static str> {
        match self {
            Self::Call { call, .. } => Some(call),
            Self::Load(error) => error.call(),
            _ => None,
        }
    }

    /// The driver's result code, where a driver call failed.
    pub fn code(&self) -> Option<CUresult> {
        match self {
            Self::Call { code, .. } => Some(*code),
            Self::Load(error) => error.code(),
            _ => None,
        }
    }

    /// The process concerned, where there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Call { pid, .. } | Self::Ended { pid } | Self::ForkedController { pid } => {
                Some(*pid)
            }
            _ => None,
        }
    }

    /// The variant in `snake_case`, for logs and JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Load(error) => error.kind(),
            Self::Call { .. } => "driver",
            Self::Ended { .. } => "ended",
            Self::NoRoom { .. } => "no_room",
            Self::MapLacks { .. } => "map_lacks",
            Self::MapNamesTwice { .. } => "map_names_twice",
            Self::ForkedController { .. } => "forked_controller",
        }
    }
}

/// What can be done about an answer; measured on driver 580 unless it says otherwise.
fn advice(call: &str, code: CUresult) -> String {
    let advice = match (call, code) {
        (_, CUresult::CUDA_ERROR_NOT_INITIALIZED) => {
            "the process has not initialised CUDA, or was forked after its parent had"
        }
        (_, CUresult::CUDA_ERROR_ILLEGAL_STATE) => {
            "the process is not in the state that this call needs; its state is what it was"
        }
        (LOCK, CUresult::CUDA_ERROR_NOT_READY) => {
            "the process was at work for as long as the time limit allowed; it goes on running"
        }
        (CHECKPOINT, CUresult::CUDA_ERROR_NOT_SUPPORTED) => {
            "the process uses what cannot be checkpointed, managed memory for one; it stays locked \
             until it is unlocked, and goes on then"
        }
        (RESTORE, CUresult::CUDA_ERROR_INVALID_VALUE) => {
            "the restore map lacks a GPU or names one that does not fit, and the process is checkpointed as \
             before; or it shares GPU memory with another process, over NCCL say, and was never seen to \
             come back after this"
        }
        (RESTORE, CUresult::CUDA_ERROR_NOT_SUPPORTED) => {
            "seen where the process shares GPU memory with another, over NCCL say; the driver says \
             checkpointed, but the process was never seen to come back after this"
        }
        (RESTORE, CUresult::CUDA_ERROR_OUT_OF_MEMORY) => {
            "a device had no room; the driver says checkpointed, but the process was never seen to \
             come back after this"
        }
        (
            GET_STATE | LOCK | CHECKPOINT | RESTORE | UNLOCK,
            CUresult::CUDA_ERROR_OPERATING_SYSTEM,
        ) => {
            "there is no such process, or it was lost in a restore that had no room, or perhaps it is \
             one that this process may not touch (not tried)"
        }
        _ => return String::new(),
    };
    format!("; {advice}")
}
