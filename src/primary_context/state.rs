//! Whether a device's primary context is active, and its settings.

use std::fmt;

use crate::driver::device::Device;
use crate::error::Error;
use crate::sys;

/// Whether a device's primary context is active in this process, and with which flags.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrimaryContextState {
    /// Whether the context exists. As a rule somebody in this process holds a reference then; after a
    /// release that took a green context's reference and was not undone, it stays without one until a
    /// retain and a release, or a reset.
    pub active: bool,
    /// The flags it has, or will have when it is created.
    pub flags: sys::CUctx_flags,
}

impl fmt::Debug for PrimaryContextState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PrimaryContextState")
            .field("active", &self.active)
            .field("flags", &format_args!("{}", self.flags))
            .finish()
    }
}

impl Device {
    /// Returns whether the device's primary context is active in this process, and its flags. Calls
    /// `cuDevicePrimaryCtxGetState`, which creates nothing.
    ///
    /// The holder may be this crate, the CUDA runtime or another library. The number of references cannot be
    /// read.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxGetState")]
    #[inline]
    pub fn primary_context_state(self) -> Result<PrimaryContextState, Error> {
        self.driver().check_process()?;
        let (call, flags, active) = self.call_get_state();
        self.check(call)?;
        Ok(PrimaryContextState { active, flags: sys::CUctx_flags(flags) })
    }

    /// Sets the flags of the device's primary context, for example how a thread waits for the
    /// device. Calls `cuDevicePrimaryCtxSetFlags_v2`; creates nothing.
    ///
    /// The flags are the process's: every other holder of the context is affected. A driver from
    /// CUDA 11.0 on takes them while the context is active, too. They last until the context's last release
    /// or a reset (E10).
    ///
    /// # Errors
    /// [`Error::Driver`] (`CUDA_ERROR_INVALID_VALUE` for flags that the driver does not know),
    /// [`Error::ForkedAfterInit`].
    #[doc(alias("cuDevicePrimaryCtxSetFlags", "cuDevicePrimaryCtxSetFlags_v2"))]
    pub fn set_primary_context_flags(self, flags: sys::CUctx_flags) -> Result<(), Error> {
        self.driver().check_process()?;
        let set_flags = &self.driver().functions().set_flags;
        // SAFETY: the device is the driver's own, and flags that it does not know are refused.
        let code = unsafe { (set_flags.function)(self.as_raw(), flags.0) };
        self.check(set_flags.returned(code))
    }

    /// Destroys everything in the device's primary context, also what other libraries made. Calls
    /// `cuDevicePrimaryCtxReset_v2`. It gives no reference back: every retain stays to be released.
    ///
    /// [`retain_only`](crate::PrimaryContextGuard::retain_only) never does this.
    ///
    /// # Safety
    /// Nothing in the process may use an allocation, a stream, an event, a module or any other
    /// object of this context any more, on any thread, now or later: not this program, not the CUDA
    /// runtime, not a library. Handles from before the reset are not always refused; some crash inside the
    /// driver.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias("cuDevicePrimaryCtxReset", "cuDevicePrimaryCtxReset_v2"))]
    pub unsafe fn reset_primary_context(self) -> Result<(), Error> {
        self.driver().check_process()?;
        let reset = &self.driver().functions().reset;
        // SAFETY: the device is the driver's own; that nobody uses the context is the caller's promise.
        let code = unsafe { (reset.function)(self.as_raw()) };
        self.check(reset.returned(code))
    }
}
