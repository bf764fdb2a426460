//! The ledger: how many handles of this crate are alive on a device, and whether a run releases strays
//! there.
//!
//! One word for each device, and no lock. A retain adds one before its driver call, a release takes one off
//! after it. A run that releases references of others has exclusive access to its device: it begins only
//! if no handle is alive, and a retain through this crate waits for its end. Other devices do not wait.

use crate::sync::{self, AtomicU64, Ordering};

/// The word of one device: the number of handles, and the highest bit for exclusive access.
#[derive(Debug)]
pub(crate) struct Ledger(AtomicU64);

const EXCLUSIVE: u64 = 1 << 63;

/// Exclusive access to a device. It ends when this is dropped.
#[must_use]
#[derive(Debug)]
pub(crate) struct Exclusive<'a> {
    ledger: &'a Ledger,
    has_waited: bool,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts a handle before its retain. Waits while another thread has exclusive access.
    #[inline]
    pub(crate) fn add_handle(&self) {
        if self.0.fetch_add(1, Ordering::AcqRel) & EXCLUSIVE != 0 {
            self.wait_for_end_of_exclusive();
        }
    }

    /// Counts a handle whose reference exists already. Never waits.
    #[inline]
    pub(crate) fn add_handle_at_once(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes off a handle that was counted, after its release.
    #[inline]
    pub(crate) fn remove_handle(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many handles are alive, those included that wait. Never waits.
    #[inline]
    pub(crate) fn handles(&self) -> u32 {
        handles_in(self.0.load(Ordering::Acquire))
    }

    /// Begins exclusive access, or returns how many handles are alive. Waits for the end of another.
    #[inline]
    pub(crate) fn begin_exclusive(&self) -> Result<Exclusive<'_>, u32> {
        let mut has_waited = false;
        loop {
            match self.0.compare_exchange(0, EXCLUSIVE, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(Exclusive { ledger: self, has_waited }),
                Err(word) if word & EXCLUSIVE == 0 => return Err(handles_in(word)),
                Err(_) => self.wait_for_end_of_exclusive(),
            }
            has_waited = true;
        }
    }

    #[cold]
    fn wait_for_end_of_exclusive(&self) {
        let mut round = 0;
        while self.0.load(Ordering::Acquire) & EXCLUSIVE != 0 {
            sync::pause(round);
            round += 1;
        }
    }
}

#[inline]
fn handles_in(word: u64) -> u32 {
    u32::try_from(word & !EXCLUSIVE).unwrap_or(u32::MAX)
}

impl Exclusive<'_> {
    /// Whether another thread had exclusive access first, so that a state read before is out of date.
    #[inline]
    pub(crate) fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// Whether no handle was taken over and no retain waits since this began.
    #[inline]
    pub(crate) fn nobody_came(&self) -> bool {
        self.ledger.0.load(Ordering::Acquire) == EXCLUSIVE
    }
}

impl Drop for Exclusive<'_> {
    #[inline]
    fn drop(&mut self) {
        self.ledger.0.fetch_and(!EXCLUSIVE, Ordering::AcqRel);
    }
}
