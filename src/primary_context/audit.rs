//! The audit: which primary contexts this process has.

use std::iter::FusedIterator;

use crate::driver::Driver;
use crate::driver::device::Device;
use crate::error::Error;
use crate::primary_context::PrimaryContextState;

/// The state of every device's primary context, made by [`Driver::primary_contexts`].
#[derive(Debug, Clone)]
pub struct PrimaryContexts {
    driver: Driver,
    next: u32,
}

impl Driver {
    /// Returns the state and flags of every device's primary context in this process, whichever library holds
    /// it. Calls `cuDevicePrimaryCtxGetState` for each device as the iterator reaches it; creates nothing and
    /// changes nothing.
    ///
    /// Each item is an error as of [`Device::primary_context_state`]; in a forked child every one is
    /// [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxGetState")]
    pub fn primary_contexts(self) -> PrimaryContexts {
        PrimaryContexts { driver: self, next: 0 }
    }
}

impl Iterator for PrimaryContexts {
    type Item = (Device, Result<PrimaryContextState, Error>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let device = self.driver.device(self.next).ok()?;
        self.next += 1;
        Some((device, device.primary_context_state()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.driver.device_count() - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for PrimaryContexts {}
impl FusedIterator for PrimaryContexts {}
