//! The ledger of the handles alive on each device, behind the lock that serialises retains and
//! releases.
//!
//! `sync` is the standard library's here, and loom's where tests/interleavings.rs goes through every
//! order that threads can take.

use crate::sync::{Mutex, MutexGuard, TryLockError};

/// How many handles of this crate are alive on each device, each with one retain.
pub(crate) type Ledger = Box<[u32]>;

pub(crate) struct LedgerLock(Mutex<Ledger>);

impl LedgerLock {
    /// A ledger without handles.
    pub(crate) fn new(devices: usize) -> Self {
        Self(Mutex::new(vec![0; devices].into()))
    }

    /// Takes the lock, at once where it is free. Where it is not, `may_wait` is asked first, and
    /// its refusal is the answer.
    #[inline]
    pub(crate) fn lock<E>(
        &self,
        may_wait: impl FnOnce() -> Result<(), E>,
    ) -> Result<MutexGuard<'_, Ledger>, E> {
        match self.0.try_lock() {
            Ok(ledger) => Ok(ledger),
            // A panic under the lock leaves the counts as they are: they change in one step.
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                may_wait()?;
                Ok(self.wait())
            }
        }
    }

    #[cold]
    fn wait(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
