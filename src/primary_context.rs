//! One retain of a device's primary context.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr;

use crate::current_context::CurrentContext;
use crate::device::Device;
use crate::error::Error;
use crate::events;
use crate::loaded::Ledger;
use crate::sys::{self, CUresult};

/// Exactly one reference on a device's primary context; dropping it gives the reference back.
///
/// The driver has one primary context per device and process, and counts references to it. The
/// first one creates the context, the last one gone destroys it with everything in it. The count is
/// shared with everybody else in the process and cannot be read: after a drop the context may well
/// stay active, because somebody else holds it.
///
/// Retaining makes nothing current on any thread, and releasing takes nothing off one: a thread
/// that has the context current when its last reference goes is left on a dead context, which
/// answers `CUDA_ERROR_CONTEXT_IS_DESTROYED` until somebody retains it again, and is then alive
/// again at the same address. Do not compare contexts by address.
///
/// Every clone of the count is a handle of its own: retain again instead of cloning.
///
/// # Threads
/// A handle can be sent to and shared with any thread: what it owns belongs to the process, not to
/// a thread, and every retain and release of this crate is made under one lock of the driver.
///
/// # Drop
/// Calls `cuDevicePrimaryCtxRelease_v2` once. It never panics, prints or allocates, and leaves the
/// thread's current context alone. In a forked child it does nothing at all. What it could not give
/// back is counted in [`Driver::unreleased`](crate::Driver::unreleased); to see the error itself,
/// call [`release`](Self::release).
pub struct PrimaryContext {
    device: Device,
    raw: sys::CUcontext,
}

// SAFETY: a primary context belongs to the process; the driver takes its handle on any thread. The
// handle is never dereferenced here.
unsafe impl Send for PrimaryContext {}
// SAFETY: as above; through a shared reference nothing but the handle's value can be had.
unsafe impl Sync for PrimaryContext {}

/// Whether a device's primary context is active in this process, and with which flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrimaryContextState {
    /// Whether the context exists: somebody in this process holds a reference.
    pub active: bool,
    /// The flags it has, or will have when it is created.
    pub flags: sys::CUctx_flags,
}

impl PrimaryContext {
    /// Retains the device's primary context. Calls `cuDevicePrimaryCtxRetain`.
    ///
    /// Creates the context where it is not active, which takes memory on the device and time. It
    /// does not become current on this thread.
    ///
    /// # Errors
    /// [`Error::Driver`]: `CUDA_ERROR_OUT_OF_MEMORY`; `CUDA_ERROR_DEVICE_UNAVAILABLE` where another
    /// process has the device to itself; `CUDA_ERROR_UNKNOWN` where the compute mode forbids
    /// contexts. Nothing is held then, unless the driver retained and reported a failure all the
    /// same (an earlier asynchronous error): nobody can tell the two apart.
    /// [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxRetain")]
    #[inline]
    pub fn retain(device: Device) -> Result<Self, Error> {
        let loaded = device.loaded();
        let mut ledger = loaded.lock()?;
        Self::retain_locked(device, &mut ledger)
    }

    /// Retains the device's primary context if it is active already, so that no context is created.
    /// Calls `cuDevicePrimaryCtxGetState`, and `cuDevicePrimaryCtxRetain` where that says active.
    ///
    /// Code outside this crate may release the context between the two calls; the retain then
    /// creates it anew.
    ///
    /// # Errors
    /// As [`retain`](Self::retain).
    pub fn retain_if_active(device: Device) -> Result<Option<Self>, Error> {
        let loaded = device.loaded();
        let mut ledger = loaded.lock()?;
        let (code, state) = device.query_state();
        loaded.check(code, "cuDevicePrimaryCtxGetState", Some(device.ordinal()))?;
        match state.active {
            true => Self::retain_locked(device, &mut ledger).map(Some),
            false => Ok(None),
        }
    }

    #[inline]
    pub(crate) fn retain_locked(device: Device, ledger: &mut Ledger) -> Result<Self, Error> {
        let loaded = device.loaded();
        let mut raw = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours, the device handle is the driver's own.
        let code = unsafe { (loaded.functions().primary_ctx_retain)(&mut raw, device.as_raw()) };
        loaded.check(code, "cuDevicePrimaryCtxRetain", Some(device.ordinal()))?;
        ledger[device.ordinal() as usize] += 1;
        Ok(Self { device, raw })
    }

    /// Takes over one reference that somebody else retained, and would have released.
    ///
    /// # Safety
    /// `raw` is the primary context of `device`; it was retained in this process, and of that
    /// reference nobody but the new handle will dispose.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`]; the reference then stays as it was.
    pub unsafe fn adopt(device: Device, raw: sys::CUcontext) -> Result<Self, Error> {
        device.loaded().lock()?[device.ordinal() as usize] += 1;
        Ok(Self { device, raw })
    }

    /// Gives the reference away: it is no longer this crate's, and
    /// [`retain_only`](crate::PrimaryContextGuard::retain_only) on another device may release it.
    /// Whoever takes the handle releases it, or nobody does and the context lives as long as the
    /// process.
    pub fn leak(self) -> sys::CUcontext {
        let this = ManuallyDrop::new(self);
        if let Ok(mut ledger) = this.device.loaded().lock() {
            ledger[this.device.ordinal() as usize] -= 1;
        }
        this.raw
    }

    /// Gives the reference back now, with the driver's answer. Calls
    /// `cuDevicePrimaryCtxRelease_v2`.
    ///
    /// On success the context may stay active (others hold it) or be gone with everything in it;
    /// [`Device::primary_context_state`] tells. A thread that had it current is left on it.
    ///
    /// # Errors
    /// The error and the handle, which then still owes its reference: try again, drop it, or
    /// [`leak`](Self::leak) it. [`Error::Driver`]: `CUDA_ERROR_INVALID_CONTEXT` where somebody else
    /// took the reference, `CUDA_ERROR_DEINITIALIZED` at the end of the process; the code of an
    /// earlier asynchronous failure may stand for a release that did take place.
    /// [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxRelease")]
    #[doc(alias = "cuDevicePrimaryCtxRelease_v2")]
    #[inline]
    pub fn release(self) -> Result<(), (Error, Self)> {
        let loaded = self.device.loaded();
        let released = loaded.lock().and_then(|mut ledger| {
            loaded.check(
                release_once(self.device),
                "cuDevicePrimaryCtxRelease_v2",
                Some(self.device.ordinal()),
            )?;
            ledger[self.device.ordinal() as usize] -= 1;
            Ok(())
        });
        match released {
            Ok(()) => {
                // The reference is gone; nothing else is owned.
                std::mem::forget(self);
                Ok(())
            }
            Err(error) => Err((error, self)),
        }
    }

    /// Makes the context current on this thread until the answer is dropped. Calls
    /// `cuCtxPushCurrent_v2`; what was current before becomes current again.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuCtxPushCurrent")]
    #[doc(alias = "cuCtxPushCurrent_v2")]
    pub fn make_current(&self) -> Result<CurrentContext<'_>, Error> {
        CurrentContext::push(self)
    }

    /// The device.
    #[inline]
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// The driver's handle, for calls of the raw layer. It is the context as long as this handle
    /// lives; do not keep it, and do not compare it.
    #[inline]
    #[must_use]
    pub fn as_raw(&self) -> sys::CUcontext {
        self.raw
    }
}

/// Gives one reference back; the caller holds the driver's lock.
#[inline]
pub(crate) fn release_once(device: Device) -> CUresult {
    let functions = device.loaded().functions();
    // SAFETY: the handle is the driver's own; a release too many is refused.
    unsafe { (functions.primary_ctx_release)(device.as_raw()) }
}

impl Drop for PrimaryContext {
    #[inline]
    fn drop(&mut self) {
        let loaded = self.device.loaded();
        // In a forked child there is nothing to give back.
        let Ok(mut ledger) = loaded.lock() else {
            return;
        };
        let code = release_once(self.device);
        ledger[self.device.ordinal() as usize] -= 1;
        drop(ledger);
        if !code.is_success() {
            count_unless_gone(self.device, code);
        }
    }
}

/// Counts a reference that could not be given back, unless the answer says that there was none.
#[cold]
fn count_unless_gone(device: Device, code: CUresult) {
    let gone = matches!(
        code,
        CUresult::CUDA_ERROR_NOT_INITIALIZED
            | CUresult::CUDA_ERROR_DEINITIALIZED
            | CUresult::CUDA_ERROR_INVALID_CONTEXT
    );
    if !gone {
        device.loaded().count_unreleased();
    }
    events::not_released_by_drop(device, code);
}

impl fmt::Debug for PrimaryContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PrimaryContext")
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
