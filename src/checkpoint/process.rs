//! A process in each of its states, as a type of its own: no step can be taken out of order.

use std::fmt;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::time::Duration;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::map::GpuMap;
use crate::checkpoint::room::Room;
use crate::checkpoint::state::State;
use crate::checkpoint::step_error::{Found, StepError};
use crate::checkpoint::target::Target;
use crate::driver::Driver;
use crate::driver::library::Library;

/// A process that uses CUDA, as far as a controller is concerned. Dropping it does nothing.
pub struct Process {
    pub(super) target: Target,
}

/// A process whose CUDA calls wait. Dropping it unlocks the process and ignores a failure;
/// [`unlock`](Self::unlock) returns it.
#[must_use = "dropping it unlocks the process"]
pub struct Locked {
    pub(super) target: Target,
}

/// A process whose GPU memory is in host memory, and whose devices are free.
///
/// **Dropping it does nothing**: the process stays suspended, so that a controller may exit in between. Another
/// controller gets it from [`Process::take_up`] and restores it.
#[must_use = "the process stays suspended until somebody restores it"]
pub struct Checkpointed {
    pub(super) target: Target,
}

impl Process {
    /// Opens a process by its id: another worker, or this process itself. Loads the driver that
    /// [`Driver::load`] finds, and makes no driver call; `cuInit` is not needed. Pass the id that this process
    /// sees ([containers](crate::guide::checkpoint_a_worker#containers)).
    ///
    /// # Errors
    /// [`CheckpointError::Load`] if there is no driver, or one older than CUDA 12.8;
    /// [`CheckpointError::NotAProcessId`], [`CheckpointError::NoSuchProcess`],
    /// [`CheckpointError::ThreadId`], [`CheckpointError::OtherUser`], all without a driver call.
    pub fn open(pid: u32) -> Result<Self, CheckpointError> {
        let (library, path) = Library::open_driver()?;
        Ok(Self { target: Target::new(&library, path, pid)? })
    }

    /// As [`open`](Self::open), through a driver that is loaded already.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(driver: Driver, pid: u32) -> Result<Self, CheckpointError> {
        driver.check_process()?;
        Ok(Self { target: Target::new(driver.library(), driver.path(), pid)? })
    }

    /// As [`open`](Self::open), with a named driver library, which is not initialised.
    ///
    /// # Safety
    /// As [`Driver::load_from`].
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub unsafe fn open_from(path: impl AsRef<Path>, pid: u32) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        // SAFETY: the caller's promise.
        let library = unsafe { Library::open_named(path) }?;
        Ok(Self { target: Target::new(&library, path, pid)? })
    }

    /// Returns the state of the process. Calls `cuCheckpointProcessGetState`.
    ///
    /// # Errors
    /// [`CheckpointError::Call`]: `CUDA_ERROR_NOT_INITIALIZED` for a process without CUDA,
    /// `CUDA_ERROR_OPERATING_SYSTEM` for one that was lost in a restore without room, perhaps also for one
    /// that this process may not touch (not tried); [`CheckpointError::Ended`],
    /// [`CheckpointError::ForkedController`].
    #[doc(alias = "cuCheckpointProcessGetState")]
    pub fn state(&self) -> Result<State, CheckpointError> {
        self.target.state()
    }

    /// Returns the process in the state in which it is, for example after its controller died. Restores and
    /// unlocks nothing; [`recover`](crate::checkpoint::recover) does. The lock of a living controller is taken
    /// over, too. Calls `cuCheckpointProcessGetState`.
    pub fn take_up(self) -> Found {
        Found::of(self.target)
    }

    /// Makes the process's CUDA calls wait, once those under way are done. Calls
    /// `cuCheckpointProcessLock`; the limit is rounded up to whole milliseconds, 1 at least.
    ///
    /// If processes share work (NCCL), lock all of them before any is checkpointed: while one is locked, a call
    /// of another that waits for it hangs.
    ///
    /// # Errors
    /// `CUDA_ERROR_NOT_READY` if the process was busy for that long, and `CUDA_ERROR_ILLEGAL_STATE` if it was
    /// not running; `CUDA_ERROR_NOT_INITIALIZED` for a process without CUDA (recorded);
    /// [`CheckpointError::Ended`], [`CheckpointError::ForkedController`]; with what the process is then.
    #[doc(alias = "cuCheckpointProcessLock")]
    pub fn lock(self, limit: Duration) -> Result<Locked, StepError> {
        let milliseconds = limit.as_nanos().div_ceil(1_000_000).clamp(1, u128::from(u32::MAX));
        self.lock_for(milliseconds as u32)
    }

    /// As [`lock`](Self::lock), however long it takes.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), without the limit.
    pub fn lock_without_limit(self) -> Result<Locked, StepError> {
        self.lock_for(0)
    }

    fn lock_for(self, milliseconds: u32) -> Result<Locked, StepError> {
        step(self.target, |target| target.lock(milliseconds)).map(|target| Locked { target })
    }
}

impl Locked {
    /// Moves what the process has in GPU memory to host memory, and frees its devices. Calls
    /// `cuCheckpointProcessCheckpoint`, which takes its time: 0.3 to 0.4 s for an empty context, 13 s for
    /// 20 GiB (H100, driver 580).
    ///
    /// # Errors
    /// `CUDA_ERROR_NOT_SUPPORTED` for what cannot be checkpointed: the process stays locked, and goes on when
    /// it is unlocked; [`CheckpointError::Ended`], [`CheckpointError::ForkedController`]; with what the
    /// process is then.
    #[doc(alias = "cuCheckpointProcessCheckpoint")]
    pub fn checkpoint(self) -> Result<Checkpointed, StepError> {
        step(self.into_target(), Target::checkpoint).map(|target| Checkpointed { target })
    }

    /// Lets the process go on. Calls `cuCheckpointProcessUnlock`.
    ///
    /// # Errors
    /// Any failure of the call; [`CheckpointError::Ended`], [`CheckpointError::ForkedController`]; with what
    /// the process is then.
    #[doc(alias = "cuCheckpointProcessUnlock")]
    pub fn unlock(self) -> Result<Process, StepError> {
        step(self.into_target(), Target::unlock).map(|target| Process { target })
    }

    fn into_target(self) -> Target {
        let this = ManuallyDrop::new(self);
        // SAFETY: the handle is not dropped, nor used again, so that the target has one owner.
        unsafe { std::ptr::read(&this.target) }
    }
}

/// Unlocks the process. In a forked child of the controller, and for a process that has ended, it does
/// nothing.
impl Drop for Locked {
    fn drop(&mut self) {
        // There is nobody to report to, and nothing else to be done about it.
        self.target.unlock_and_ignore_failure();
    }
}

impl Checkpointed {
    /// Moves the process's memory back to its devices. Calls `cuCheckpointProcessRestore`; the process is
    /// locked then.
    ///
    /// A restore that runs out of memory destroys the process: every later restore returns
    /// `CUDA_ERROR_OPERATING_SYSTEM` (driver 580). So the [`Room`] is checked first.
    ///
    /// NVIDIA documents that a restore requires persistence mode, or that `cuInit` was called before.
    ///
    /// # Errors
    /// [`CheckpointError::NoRoom`] without a driver call; `CUDA_ERROR_INVALID_VALUE` for a map that names
    /// a GPU which does not fit; [`CheckpointError::Ended`], [`CheckpointError::ForkedController`]; with what
    /// the process is then.
    #[doc(alias = "cuCheckpointProcessRestore")]
    pub fn restore(self, map: &GpuMap, room: &Room) -> Result<Locked, StepError> {
        if let Err(error) = room.check() {
            return Err(StepError::new(error, Found::Checkpointed(self)));
        }
        step(self.target, |target| target.restore(map)).map(|target| Locked { target })
    }
}

/// Makes one call for a process; after a failure, what the process is then.
fn step(
    target: Target,
    call: impl FnOnce(&Target) -> Result<(), CheckpointError>,
) -> Result<Target, StepError> {
    match call(&target) {
        Ok(()) => Ok(target),
        Err(mut error) => {
            let found = Found::after(&error, target);
            error.set_state(found.state());
            Err(StepError::new(error, found))
        }
    }
}

macro_rules! known_by_its_id {
    ($($name:ident)*) => {
        $(
            impl $name {
                /// The process id.
                pub fn pid(&self) -> u32 {
                    self.target.pid
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.debug_tuple(stringify!($name)).field(&self.target.pid).finish()
                }
            }
        )*
    };
}

known_by_its_id! { Process Locked Checkpointed }
