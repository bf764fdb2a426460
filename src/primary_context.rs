//! One retain of a device's primary context.

use std::fmt;
use std::mem::ManuallyDrop;

use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::error::Error;
use crate::primary_context::reference::GivenBack;
use crate::sys::{self, CUresult};

mod audit;
mod current_context;
mod events;
pub(crate) mod reference;
mod release_error;
#[cfg(feature = "serde")]
mod serialize;
mod state;
pub(crate) mod thread_context;

pub use audit::PrimaryContexts;
pub use current_context::CurrentContext;
pub use events::TRACING_TARGET;
pub use release_error::ReleaseError;
pub use state::PrimaryContextState;

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
/// There is no `Clone`: retain again for a second reference.
///
/// # Threads
/// A handle can be sent to and shared with any thread: what it owns belongs to the process, not to
/// a thread. Retains and releases take no lock. Only a retain of a device of which
/// [`retain_only`](crate::PrimaryContextGuard::retain_only) is releasing a stray context at this
/// moment waits until that is done.
///
/// # Drop
/// Calls `cuDevicePrimaryCtxRelease_v2` once. It never panics, prints or allocates, and leaves the
/// thread's current context alone. In a forked child it does nothing at all. What it could not give
/// back is counted in [`Driver::unreleased`](crate::Driver::unreleased); to see the error itself,
/// call [`release`](Self::release).
#[must_use = "dropping the handle releases the context"]
pub struct PrimaryContext {
    device: Device,
    raw: sys::CUcontext,
}

// SAFETY: a primary context belongs to the process; the driver takes its handle on any thread. The
// handle is never dereferenced here.
unsafe impl Send for PrimaryContext {}
// SAFETY: as above; through a shared reference nothing but the handle's value can be had.
unsafe impl Sync for PrimaryContext {}

impl PrimaryContext {
    /// Retains the device's primary context. Calls `cuDevicePrimaryCtxRetain`.
    ///
    /// Creates the context where it is not active, which takes memory on the device and time. It
    /// does not become current on this thread.
    ///
    /// # Errors
    /// [`Error::Driver`]: `CUDA_ERROR_OUT_OF_MEMORY`; `CUDA_ERROR_DEVICE_UNAVAILABLE` where another
    /// process has the device to itself; `CUDA_ERROR_UNKNOWN` where the compute mode forbids
    /// contexts; `CUDA_ERROR_NOT_PERMITTED` under `cuda-contexts trace --deny`, for a device that is not
    /// meant. Nothing is held then, unless the driver retained and reported a failure all the
    /// same (an earlier asynchronous error): nobody can tell the two apart.
    /// [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxRetain")]
    #[inline]
    pub fn retain(device: Device) -> Result<Self, Error> {
        device.driver().check_process()?;
        device.count_handle()?;
        Self::retain_counted(device)
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
        device.driver().check_process()?;
        // Counted first, so that no run of this crate begins to release between the two calls.
        device.count_handle()?;
        let (call, _, active) = device.call_get_state();
        if call.is_success() && active {
            return Self::retain_counted(device).map(Some);
        }
        device.ledger().remove_handle();
        device.check(call).map(|()| None)
    }

    /// Retains for a handle that the ledger counts already.
    #[inline]
    fn retain_counted(device: Device) -> Result<Self, Error> {
        let (call, raw) = device.call_retain();
        match call.is_success() {
            true => Ok(Self { device, raw }),
            false => Err(not_retained(device, call)),
        }
    }

    /// Takes over one reference that somebody else retained, and would have released. Never waits: a
    /// release of stray contexts that is at work on the device at this moment may still take that
    /// very reference.
    ///
    /// # Safety
    /// `raw` is the primary context of `device`; it was retained in this process, and of that
    /// reference nobody but the new handle will dispose.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`]; the reference then stays as it was.
    pub unsafe fn from_raw(device: Device, raw: sys::CUcontext) -> Result<Self, Error> {
        device.driver().check_process()?;
        device.ledger().add_handle_at_once();
        Ok(Self { device, raw })
    }

    /// Gives the reference away: it is no longer this crate's, and
    /// [`retain_only`](crate::PrimaryContextGuard::retain_only) on another device may release it.
    /// Whoever takes the handle releases it, or nobody does and the context lives as long as the
    /// process. Calls nothing and never waits.
    pub fn into_raw(self) -> sys::CUcontext {
        let this = ManuallyDrop::new(self);
        this.forget();
        this.raw
    }

    /// Gives the reference back now, with the driver's answer. Calls
    /// `cuDevicePrimaryCtxRelease_v2`.
    ///
    /// On success the context may stay active (others hold it) or be gone with everything in it;
    /// [`Device::primary_context_state`] tells. A thread that had it current is left on it.
    ///
    /// Where the driver answers `CUDA_ERROR_NOT_PERMITTED`, somebody had released a green context's
    /// reference before, and this one was the last. One `cuDevicePrimaryCtxRetain` leaves it to the green
    /// context, with which the primary context then goes; that counts as success.
    ///
    /// After any other failure `cuDevicePrimaryCtxGetState` is asked: where the context is inactive,
    /// there is no reference any more.
    ///
    /// # Errors
    /// The error, and the handle where it still owes its reference. [`Error::Driver`]:
    /// `CUDA_ERROR_INVALID_CONTEXT` where somebody else took the reference,
    /// `CUDA_ERROR_DEINITIALIZED` at the end of the process; the code of an earlier asynchronous
    /// failure may stand for a release that did take place; or the code of the
    /// `cuDevicePrimaryCtxRetain` that was to undo it. [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxRelease")]
    #[doc(alias = "cuDevicePrimaryCtxRelease_v2")]
    #[inline]
    pub fn release(self) -> Result<(), ReleaseError> {
        if let Err(forked) = self.device.driver().check_process() {
            return Err(ReleaseError::new(forked, Some(self)));
        }
        let given_back = reference::give_back(self.device);
        match given_back {
            GivenBack::Yes => {
                ManuallyDrop::new(self).device.ledger().remove_handle();
                Ok(())
            }
            GivenBack::WithError(error) => {
                ManuallyDrop::new(self).device.ledger().remove_handle();
                Err(ReleaseError::new(error, None))
            }
            GivenBack::No(error) => Err(ReleaseError::new(error, Some(self))),
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

    /// Makes the context current on the calling thread, in place of what is current there, and leaves it
    /// so. Calls `cuCtxSetCurrent`.
    ///
    /// For a type that owns a context and is used on several threads: call this at the beginning of a
    /// thread, or of each method. [`make_current`](Self::make_current) is for a scope that ends.
    ///
    /// Dropping the handle changes no thread's current context. If that was the last reference, the thread
    /// is left on a context that is destroyed.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuCtxSetCurrent")]
    pub fn bind_to_thread(&self) -> Result<(), Error> {
        let driver = self.device.driver();
        driver.check_process()?;
        // SAFETY: the handle is the driver's own, and its context lives as long as this reference.
        self.device.check(unsafe { driver.call_set_current(self.raw) })
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

    /// Takes the handle out of the ledger, which in a forked child counts for nothing.
    fn forget(&self) {
        if self.device.driver().check_process().is_ok() {
            self.device.ledger().remove_handle();
        }
    }

    /// Gives up on a handle whose reference the driver would not take.
    pub(crate) fn give_up(self, error: &Error) {
        let this = ManuallyDrop::new(self);
        // In a forked child nothing is owed.
        if this.device.driver().check_process().is_ok() {
            this.device.ledger().remove_handle();
            count_unreleased(this.device, error);
        }
    }
}

/// Takes back what was counted for a retain that failed.
#[cold]
fn not_retained(device: Device, call: Call) -> Error {
    device.ledger().remove_handle();
    device.error(call)
}

impl Drop for PrimaryContext {
    #[inline]
    fn drop(&mut self) {
        // In a forked child there is nothing to give back.
        if self.device.driver().check_process().is_err() {
            return;
        }
        let release = self.device.call_release();
        match release.is_success() {
            true => self.device.ledger().remove_handle(),
            false => after_failed_drop(self.device, release),
        }
    }
}

/// The rest of a drop whose release failed.
#[cold]
fn after_failed_drop(device: Device, release: Call) {
    let given_back = reference::after_failure(device, release);
    device.ledger().remove_handle();
    match given_back {
        GivenBack::Yes => {}
        GivenBack::WithError(error) => events::not_released_by_drop(device, &error),
        GivenBack::No(error) => count_unreleased(device, &error),
    }
}

/// Counts a reference that could not be given back, unless the answer says that there was none.
#[cold]
fn count_unreleased(device: Device, error: &Error) {
    let gone = matches!(
        error.code(),
        Some(
            CUresult::CUDA_ERROR_NOT_INITIALIZED
                | CUresult::CUDA_ERROR_DEINITIALIZED
                | CUresult::CUDA_ERROR_INVALID_CONTEXT
        )
    );
    if !gone {
        device.driver().count_unreleased();
    }
    events::not_released_by_drop(device, error);
}

impl fmt::Debug for PrimaryContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PrimaryContext")
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
