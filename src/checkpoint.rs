//! Suspending and resuming processes that use GPUs: lock, checkpoint, restore, unlock.
//!
//! A controller makes the driver move what another process has in GPU memory to host memory, and back. It
//! needs no CUDA context and no `cuInit` (measured with persistence mode on). Each state of the process is a
//! type, so that no step can be taken out of order. A step that fails returns what the process is now.
//!
//! ```no_run
//! use std::time::Duration;
//! use cuda_primary_context::checkpoint::{CheckpointError, GpuMap, Process, Room};
//!
//! fn cycle(pid: u32) -> Result<(), CheckpointError> {
//!     let locked = Process::open(pid)?.lock(Duration::from_secs(10))?;
//!     let suspended = locked.checkpoint()?;
//!     // … its devices are free; another job may have them …
//!     let locked = suspended.restore(&GpuMap::same(), &Room::Trusted)?;
//!     locked.unlock()?;
//!     Ok(())
//! }
//! ```
//!
//! If a step fails, `?` leaves the process as it should be: one that is locked is unlocked, one that is
//! checkpointed stays so. [`StepError::into_parts`] returns the process instead.
//!
//! [`driver_behaviour`](crate::driver_behaviour#checkpoints) has what a checkpoint and a restore cost.
//!
//! # What can be checkpointed
//! Seen to work (H100, driver 580): PyTorch, with cuBLAS, with pinned memory and a DataLoader; memory
//! exported by `cuIpcGetMemHandle`, pinned, registered, in a pool; a process with a forked child that holds
//! its device files; the calling process itself; on two H100s and two H200s, contexts on both, with peer
//! access between them or not. Not:
//!
//! | | |
//! | --- | --- |
//! | managed memory | the checkpoint returns `CUDA_ERROR_NOT_SUPPORTED`, the process stays locked; unlocked, it goes on (measured) |
//! | no room at the restore | `CUDA_ERROR_OUT_OF_MEMORY`; the process is lost (measured): see [`Room`] |
//! | a map that lacks a GPU of the machine, or names one that does not fit | `CUDA_ERROR_INVALID_VALUE`, the process stays checkpointed (measured) |
//! | a rank of an NCCL group over P2P or shared memory | the checkpoint works, **the restore returns `CUDA_ERROR_NOT_SUPPORTED`**, or `CUDA_ERROR_INVALID_VALUE` with `NCCL_CUMEM_ENABLE=0`, and the process is lost (measured); one that left its group before comes back, and so does a rank over sockets |
//! | live multicast objects (NVLS) | the checkpoint hangs (reported by others) |
//! | imported IPC memory before driver 610 | refused (reported by others) |
//! | Arm before driver 595 | refused (reported by others) |
//!
//! # Several processes
//! Processes that share work must all be locked before any is checkpointed. [`suspend`] and
//! [`Suspended::resume`] keep that order. [`Steps`] bounds how many overlap and shows progress. [`tree`] lists a
//! process and its descendants. [`recover`] brings back what a controller that was killed left locked or checkpointed.
//!
//! # Process ids
//! Pass the id that the controller sees. An id that is a thread's, of another user's process, or of nobody is
//! an error of its own, before any driver call. In a container the worker has another id than outside: see the
//! [guide](crate::guide::checkpoint_a_worker#containers).
//!
//! # Two controllers
//! A step that another controller was faster with returns `CUDA_ERROR_ILLEGAL_STATE`. A lock that is found
//! then is the other's: dropping the error leaves it alone ([`Found::Other`]).
//!
//! # Oneself
//! A process may checkpoint itself: [`Process::open`] with its own id, and every step from one thread, with
//! no CUDA call of another thread in between that it would wait for; that works (measured). Do not call NVML
//! between the checkpoint and the restore: a process that queried the free memory hung for good (driver 580).

mod calls;
mod error;
mod group;
mod identity;
mod map;
mod member;
#[cfg(feature = "nvml")]
pub mod nvml;
mod process;
mod report;
mod room;
#[cfg(feature = "serde")]
mod serialize;
mod stat;
mod state;
mod step_error;
mod suspended;
mod target;
mod tree;

pub use error::CheckpointError;
pub use group::{Steps, recover, suspend};
pub use map::{GpuMap, GpuPair, machine_gpus};
pub use process::{Checkpointed, Locked, Process};
pub use report::{ProcessReport, Step, StepReport};
pub use room::{DeviceRoom, Room};
pub use state::State;
pub use step_error::{Found, StepError};
pub use suspended::{GroupError, Resumed, Suspended};
pub use tree::{TreeProcess, tree};
