//! What can go wrong with a checkpoint of another process.

use crate::checkpoint::calls::{CHECKPOINT, GET_STATE, LOCK, RESTORE, UNLOCK};
use crate::checkpoint::state::State;
use crate::driver::uuid::Uuid;
use crate::sys::CUresult;

/// What went wrong, with the C function, the process and the number if a driver call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The driver could not be loaded, or lacks the functions: they came with CUDA 12.8 (driver 570).
    #[error(transparent)]
    Load(#[from] crate::error::Error),

    /// A driver call returned something other than `CUDA_SUCCESS`.
    #[error("{call} of process {pid} returned {code}.{}", advice(call, *code, *state, *pid_inside))]
    Call {
        /// The C function.
        call: &'static str,
        /// The process that the call was for.
        pid: u32,
        /// What it returned.
        code: CUresult,
        /// The state of the process afterwards, if the driver said it.
        state: Option<State>,
        /// The id that the process has in a PID namespace of its own, as in a container.
        pid_inside: Option<u32>,
    },

    /// The number cannot be a process id. No driver call was made.
    #[error("{pid} is not a process id. Process ids are 1 to {LARGEST_PID}.")]
    NotAProcessId {
        /// The number.
        pid: u32,
    },

    /// There is no process of this id. No driver call was made.
    #[error(
        "Process {pid} does not exist. It has ended or never existed, or the id is of another PID \
         namespace: a controller outside a container must use the id that the process has outside."
    )]
    NoSuchProcess {
        /// The process id.
        pid: u32,
    },

    /// The id is of a thread, and not of a process. No driver call was made: the real driver would act on
    /// the thread's process.
    #[error("{pid} is the id of a thread of process {process}. Pass {process} instead.")]
    ThreadId {
        /// The id that was given.
        pid: u32,
        /// The process of that thread.
        process: u32,
    },

    /// The process belongs to another user, and this process may not touch it. No driver call was made.
    #[error("Process {pid} belongs to another user. Run the controller as that user or as root.")]
    OtherUser {
        /// The process id.
        pid: u32,
    },

    /// A group names a process twice. No driver call was made.
    #[error("Process {pid} is named twice in the group. Name it once; nothing was changed.")]
    NamedTwice {
        /// The process id.
        pid: u32,
    },

    /// The process has ended since it was opened, or another one has its id by now: before the driver call,
    /// which was not made then, or during it.
    #[error("Process {pid} has ended.")]
    Ended {
        /// The process id.
        pid: u32,
    },

    /// A device does not have the room that a restore needs. No driver call was made, and the process is
    /// checkpointed as before: a restore without room destroys it.
    #[error(
        "Device {device} has {free} bytes free, and the restore needs {needed}. Make room first: a \
         restore that runs out of memory destroys the process."
    )]
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
        "The restore map lacks {device}. Name every GPU that the kernel driver showed at the \
         checkpoint, used or not."
    )]
    MapLacks {
        /// The GPU.
        device: Uuid,
    },

    /// A restore map names a GPU twice on one side.
    #[error("The restore map names {device} twice on one side.")]
    MapNamesTwice {
        /// The GPU.
        device: Uuid,
    },

    /// The handle was made by the process that this one was forked from.
    #[error("The handle of process {pid} belongs to the process that this one was forked from.")]
    ForkedController {
        /// The process that the handle stands for.
        pid: u32,
    },
}

/// The kernel's limit, `PID_MAX_LIMIT`.
pub(super) const LARGEST_PID: u32 = 1 << 22;

impl CheckpointError {
    /// The C function that failed, if a driver call failed.
    pub fn call(&self) -> Option<&'static str> {
        match self {
            Self::Call { call, .. } => Some(call),
            Self::Load(error) => error.call(),
            _ => None,
        }
    }

    /// The driver's result code, if a driver call failed.
    pub fn code(&self) -> Option<CUresult> {
        match self {
            Self::Call { code, .. } => Some(*code),
            Self::Load(error) => error.code(),
            _ => None,
        }
    }

    /// The process concerned, if there is one.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Call { pid, .. }
            | Self::NotAProcessId { pid }
            | Self::NoSuchProcess { pid }
            | Self::ThreadId { pid, .. }
            | Self::OtherUser { pid }
            | Self::NamedTwice { pid }
            | Self::Ended { pid }
            | Self::ForkedController { pid } => Some(*pid),
            _ => None,
        }
    }

    /// The variant in `snake_case`, for logs and JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Load(error) => error.kind(),
            Self::Call { .. } => "driver",
            Self::NotAProcessId { .. } => "not_a_process_id",
            Self::NoSuchProcess { .. } => "no_such_process",
            Self::ThreadId { .. } => "thread_id",
            Self::OtherUser { .. } => "other_user",
            Self::NamedTwice { .. } => "named_twice",
            Self::Ended { .. } => "ended",
            Self::NoRoom { .. } => "no_room",
            Self::MapLacks { .. } => "map_lacks",
            Self::MapNamesTwice { .. } => "map_names_twice",
            Self::ForkedController { .. } => "forked_controller",
        }
    }

    /// Whether the driver does not know the process because it does not use CUDA.
    pub fn is_without_cuda(&self) -> bool {
        matches!(self, Self::Call { code: CUresult::CUDA_ERROR_NOT_INITIALIZED, .. })
    }

    /// Notes the state that the driver said after the call.
    pub(super) fn set_state(&mut self, now: Option<State>) {
        if let Self::Call { state, .. } = self {
            *state = now;
        }
    }
}

/// What a caller can do about a result; measured on driver 580 unless it says otherwise.
fn advice(call: &str, code: CUresult, state: Option<State>, pid_inside: Option<u32>) -> String {
    let advice = match (call, code) {
        (_, CUresult::CUDA_ERROR_NOT_INITIALIZED) => {
            "The process has not initialised CUDA, or was forked after its parent had."
        }
        (_, CUresult::CUDA_ERROR_ILLEGAL_STATE) => wrong_state(state),
        (LOCK, CUresult::CUDA_ERROR_NOT_READY) => {
            "The process was busy for as long as the time limit allowed. It keeps running; try again with \
             a longer limit."
        }
        (CHECKPOINT, CUresult::CUDA_ERROR_NOT_SUPPORTED) => {
            "The process uses something that cannot be checkpointed, such as managed memory. It stays \
             locked until it is unlocked."
        }
        (RESTORE, CUresult::CUDA_ERROR_INVALID_VALUE) => {
            "Either the restore map lacks a GPU or names one that does not fit, and the process is \
             checkpointed as before. Or it shares GPU memory with another process, over NCCL for example, \
             and is lost."
        }
        (RESTORE, CUresult::CUDA_ERROR_NOT_SUPPORTED) => {
            "Seen when the process shares GPU memory with another, over NCCL for example. The process is \
             lost, although the driver says checkpointed."
        }
        (RESTORE, CUresult::CUDA_ERROR_OUT_OF_MEMORY) => {
            "A device had no room. The process is lost, although the driver says checkpointed."
        }
        (
            GET_STATE | LOCK | CHECKPOINT | RESTORE | UNLOCK,
            CUresult::CUDA_ERROR_OPERATING_SYSTEM,
        ) => {
            "The driver does not reach the process, or the process was lost in a restore without room."
        }
        _ => return String::new(),
    };
    let not_found = matches!(
        code,
        CUresult::CUDA_ERROR_NOT_INITIALIZED | CUresult::CUDA_ERROR_OPERATING_SYSTEM
    );
    match pid_inside.filter(|_| not_found) {
        Some(inside) => format!(
            " {advice} It is process {inside} in a PID namespace of its own, such as a container's. The \
             driver takes the id that the controller sees, which is not {inside}."
        ),
        None => format!(" {advice}"),
    }
}

fn wrong_state(state: Option<State>) -> &'static str {
    match state {
        Some(State::Running) => "The process is running. Lock it first; nothing was changed.",
        Some(State::Locked) => {
            "The process is already locked, maybe by another controller. Unlock it first; nothing was \
             changed."
        }
        Some(State::Checkpointed) => {
            "The process is already checkpointed. Resume it first; nothing was changed."
        }
        Some(State::Failed) => {
            "An earlier step failed, and the driver can do no more for the process."
        }
        _ => "The process is in another state than this call needs; nothing was changed.",
    }
}
