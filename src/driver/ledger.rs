//! The ledger: how many handles of this crate live on each device, and which devices are being swept.
//!
//! One word a device, and no lock: a retain adds one before its call, a release takes one off after
//! it. A sweep, which releases references of others, has its device alone: it begins where no handle
//! lives, and whoever retains meanwhile waits for its end. Nobody waits who wants another device.
//!
//! `crate::sync` is the standard library's here, and loom's where tests/interleavings.rs runs this
//! file in every order that threads can take.

use crate::sync::{self, AtomicU64, Ordering};

/// The word of one device: the number of handles, and in its highest bit whether it is being swept.
#[derive(Debug)]
pub(crate) struct Handles(AtomicU64);

const SWEPT: u64 = 1 << 63;

/// A device that is being swept; the sweep ends when this is dropped.
#[must_use]
#[derive(Debug)]
pub(crate) struct Swept<'a> {
    handles: &'a Handles,
    has_waited: bool,
}

/// Why a device is not swept.
#[derive(Debug)]
pub(crate) enum NotSwept<E> {
    /// So many handles live on it.
    Held(u32),
    /// Another sweep is at work on it, and this one may not wait.
    MayNotWait(E),
}

impl Handles {
    pub(crate) fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts a handle that is about to be made with a retain. Where the device is being swept it
    /// waits for the end, asking `may_wait` again and again; its refusal is the answer, and nothing
    /// is counted.
    #[inline]
    pub(crate) fn add<E>(&self, may_wait: impl Fn() -> Result<(), E>) -> Result<(), E> {
        if self.0.fetch_add(1, Ordering::AcqRel) & SWEPT == 0 {
            return Ok(());
        }
        self.wait_for_the_sweep(may_wait).inspect_err(|_| self.remove())
    }

    /// Counts a handle whose reference is there already. Never waits.
    #[inline]
    pub(crate) fn add_at_once(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes a handle off that was counted, after its release.
    #[inline]
    pub(crate) fn remove(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many handles live, those included that wait for a sweep to end. Never waits.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        number_in(self.0.load(Ordering::Acquire))
    }

    /// Begins a sweep, unless handles live. Where another sweep is at work it waits for its end.
    #[inline]
    pub(crate) fn sweep<E>(
        &self,
        may_wait: impl Fn() -> Result<(), E>,
    ) -> Result<Swept<'_>, NotSwept<E>> {
        let mut has_waited = false;
        loop {
            match self.0.compare_exchange(0, SWEPT, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(Swept { handles: self, has_waited }),
                Err(word) if word & SWEPT == 0 => return Err(NotSwept::Held(number_in(word))),
                Err(_) => self.wait_for_the_sweep(&may_wait).map_err(NotSwept::MayNotWait)?,
            }
            has_waited = true;
        }
    }

    #[cold]
    fn wait_for_the_sweep<E>(&self, may_wait: impl Fn() -> Result<(), E>) -> Result<(), E> {
        let mut round = 0;
        while self.0.load(Ordering::Acquire) & SWEPT != 0 {
            may_wait()?;
            sync::pause(round);
            round += 1;
        }
        Ok(())
    }
}

/// How many handles a word counts.
#[inline]
fn number_in(word: u64) -> u32 {
    u32::try_from(word & !SWEPT).unwrap_or(u32::MAX)
}

impl Swept<'_> {
    /// Whether another sweep of the device came first, so that what was asked before is out of date.
    #[inline]
    pub(crate) fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// Whether still no handle lives on the device, nor is about to.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.handles.0.load(Ordering::Acquire) == SWEPT
    }
}

impl Drop for Swept<'_> {
    #[inline]
    fn drop(&mut self) {
        self.handles.0.fetch_and(!SWEPT, Ordering::AcqRel);
    }
}
