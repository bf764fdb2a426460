//! One retain of a device's primary context.

use std::fmt;
use std::mem::ManuallyDrop;

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

pub use audit::PrimaryContexts;
pub use current_context::CurrentContext;
pub use events::TRACING_TARGET;
pub use release_error::ReleaseError;
pub use state::PrimaryContextState;

/// Exactly one reference on a device's primary context; dropping it gives the reference back.
///
/// The driver has one primary context per device and process, and counts references to it. The first retain
/// creates the context, the last release destroys it with everything in it. All libraries of the process share
/// the count, and it cannot be read: after a drop the context may stay active, because others hold it.
///
/// Neither a retain nor a release changes what is current on a thread. A thread that has the context current
/// when its last reference is released is left on a dead context: calls return
/// `CUDA_ERROR_CONTEXT_IS_DESTROYED` until somebody retains it again. It is then alive again at the same address,
/// so do not compare contexts by address.
///
/// There is no `Clone`: retain again for a second reference.
///
/// # Threads
/// A handle can be sent to and shared with any thread: its reference belongs to the process. Retains and
/// releases take no lock. Only a retain of a device on which
/// [`retain_only`](crate::PrimaryContextGuard::retain_only) releases a stray at that moment waits until that
/// is done.
///
/// # Drop
/// Calls `cuDevicePrimaryCtxRelease_v2` once. It never panics, prints or allocates, and does not change the
/// thread's current context. In a forked child it does nothing. A reference that could not be released is
/// counted in [`Driver::unreleased`](crate::Driver::unreleased); to get the error, call
/// [`release`](Self::release).
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
    /// Creates the context if it is not active, which takes memory on the device and time. It does not become
    /// current on this thread.
    ///
    /// # Errors
    /// [`Error::Driver`]: `CUDA_ERROR_OUT_OF_MEMORY`; `CUDA_ERROR_DEVICE_UNAVAILABLE` if another process has
    /// the device in an exclusive compute mode; `CUDA_ERROR_UNKNOWN` if the compute mode forbids contexts;
    /// `CUDA_ERROR_NOT_PERMITTED` under `cuda-contexts trace --deny`, outside the allowed devices. Nothing is
    /// held then, unless the driver retained and returned an earlier asynchronous error, which looks the same.
    /// [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxRetain")]
    #[inline]
    pub fn retain(device: Device) -> Result<Self, Error> {
        device.driver().check_process()?;
        device.ledger().add_handle();
        Self::retain_counted(device)
    }

    /// Retains the device's primary context if it is active already, so that no context is created.
    /// Calls `cuDevicePrimaryCtxGetState`, and `cuDevicePrimaryCtxRetain` if the context is active.
    ///
    /// Code outside this crate may release the context between the two calls; the retain then
    /// creates it again.
    ///
    /// # Errors
    /// As [`retain`](Self::retain).
    pub fn retain_if_active(device: Device) -> Result<Option<Self>, Error> {
        device.driver().check_process()?;
        // Counted first, so that no run of this crate begins to release between the two calls.
        device.ledger().add_handle();
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
            false => Err(not_retained(device, call.code)),
        }
    }

    /// Takes over one reference that other code retained. Never waits: a run that releases strays on the
    /// device at this moment may still release that reference.
    ///
    /// # Safety
    /// `raw` is the primary context of `device`. It was retained in this process, and nobody but the new
    /// handle releases that reference.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`]; the reference is not changed.
    pub unsafe fn from_raw(device: Device, raw: sys::CUcontext) -> Result<Self, Error> {
        device.driver().check_process()?;
        device.ledger().add_handle_at_once();
        Ok(Self { device, raw })
    }

    /// Returns the driver's handle without releasing the reference, which the caller owns from now on. A later
    /// [`retain_only`](crate::PrimaryContextGuard::retain_only) may release it as a stray. If nobody does, the
    /// context lives as long as the process. Makes no driver call and never waits.
    pub fn into_raw(self) -> sys::CUcontext {
        let this = ManuallyDrop::new(self);
        // In a forked child the ledger counts for nothing.
        if this.device.driver().check_process().is_ok() {
            this.device.ledger().remove_handle();
        }
        this.raw
    }

    /// Releases the reference now, and returns the driver's result. Calls `cuDevicePrimaryCtxRelease_v2`.
    ///
    /// On success the context may stay active (others hold it) or be destroyed with everything in it;
    /// [`Device::primary_context_state`] returns which. A thread that had it current is left on it.
    ///
    /// After a failure `cuDevicePrimaryCtxGetState` is called: if the context is inactive, there is no
    /// reference any more. If a driver with green contexts (CUDA 12.4) returned `CUDA_ERROR_NOT_PERMITTED`,
    /// other code had released a green context's reference before, and this one was the last. One
    /// `cuDevicePrimaryCtxRetain` leaves it to the green context; that counts as success.
    ///
    /// # Errors
    /// The error, and the handle if it still owes its reference. [`Error::Driver`]:
    /// `CUDA_ERROR_INVALID_CONTEXT` if other code released the reference, `CUDA_ERROR_DEINITIALIZED` at the
    /// end of the process, an earlier asynchronous failure although the reference was released, or a failure of
    /// the `cuDevicePrimaryCtxRetain` described above. [`Error::ForkedAfterInit`].
    #[doc(alias("cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxRelease_v2"))]
    #[inline]
    pub fn release(self) -> Result<(), ReleaseError> {
        if let Err(forked) = self.device.driver().check_process() {
            return Err(ReleaseError::new(forked, Some(self)));
        }
        let release = self.device.call_release();
        let given_back = match release.is_success() {
            true => GivenBack::Yes,
            false => reference::after_failure(self.device, release),
        };
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

    /// Makes the context current on the calling thread, instead of what is current there, and leaves it
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
    pub fn device(&self) -> Device {
        self.device
    }

    /// The driver's handle, for calls of the raw layer. It is valid as long as this handle is alive; do not
    /// keep it, and do not compare it.
    #[inline]
    pub fn as_raw(&self) -> sys::CUcontext {
        self.raw
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

#[cold]
fn not_retained(device: Device, code: CUresult) -> Error {
    device.ledger().remove_handle();
    device.error(device.driver().functions().retain.returned(code))
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
            false => after_failed_drop(self.device, release.code),
        }
    }
}

#[cold]
fn after_failed_drop(device: Device, code: CUresult) {
    let release = device.driver().functions().release.returned(code);
    let given_back = reference::after_failure(device, release);
    device.ledger().remove_handle();
    match given_back {
        GivenBack::Yes => {}
        GivenBack::WithError(error) => events::not_released_by_drop(device, &error),
        GivenBack::No(error) => count_unreleased(device, &error),
    }
}

/// Counts a reference that could not be released, unless the result says that there was none.
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
