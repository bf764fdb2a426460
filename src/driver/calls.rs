//! The driver calls about primary contexts and about what a thread has current, each written once, with
//! the reason why it is sound.
//!
//! They return the driver's result as it is. None checks whether this is a forked child: the caller has.

use std::ffi::{c_int, c_uint};
use std::ptr;

use crate::driver::Driver;
use crate::driver::device::Device;
use crate::error::Error;
use crate::sys::{self, CUresult};

/// One driver call and its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Call {
    /// The C function, by its exact name.
    pub function: &'static str,
    /// What it returned.
    pub code: CUresult,
}

impl Call {
    #[inline]
    pub(crate) fn is_success(self) -> bool {
        self.code.is_success()
    }

    #[cold]
    pub(crate) fn error(self, device: Option<u32>) -> Error {
        Error::Driver { call: self.function, device, code: self.code }
    }

    /// The error, about this device if there is one, for a call that failed.
    #[inline]
    pub(crate) fn check(self, device: Option<u32>) -> Result<(), Error> {
        self.result().map_err(|call| call.error(device))
    }

    /// The call itself as the error if it failed.
    #[inline]
    pub(crate) fn result(self) -> Result<(), Self> {
        if self.is_success() { Ok(()) } else { Err(self) }
    }
}

impl Device {
    /// `cuDevicePrimaryCtxRetain`. The context is valid if the call succeeded.
    #[inline]
    pub(crate) fn call_retain(self) -> (Call, sys::CUcontext) {
        let mut context = ptr::null_mut();
        let retain = &self.driver().functions().retain;
        // SAFETY: the out-parameter is a handle of ours, and the device is the driver's own.
        let code = unsafe { (retain.function)(&mut context, self.as_raw()) };
        (retain.returned(code), context)
    }

    #[inline]
    pub(crate) fn call_release(self) -> Call {
        let release = &self.driver().functions().release;
        // SAFETY: the device is the driver's own. One release more than there are references is refused
        // (201) by every driver that was tried, in a process that the driver takes for initialised. In a
        // child forked after a *failed* cuInit of other code driver 580 dies of it (SIGSEGV); nobody can
        // ask whether this is such a child, and the page `driver_behaviour` says so. Others who still use
        // the context: "Soundness" of `retain_only`.
        let code = unsafe { (release.function)(self.as_raw()) };
        release.returned(code)
    }

    /// `cuDevicePrimaryCtxGetState`: flags and whether it is active, if the call succeeded.
    #[inline]
    pub(crate) fn call_get_state(self) -> (Call, c_uint, bool) {
        let get_state = &self.driver().functions().get_state;
        let (mut flags, mut active): (c_uint, c_int) = (0, 0);
        // SAFETY: the out-parameters are ints of ours, and the device is the driver's own.
        let code = unsafe { (get_state.function)(self.as_raw(), &mut flags, &mut active) };
        (get_state.returned(code), flags, active != 0)
    }
}

impl Driver {
    /// `cuCtxGetCurrent`: null if nothing is current.
    #[inline]
    pub(crate) fn call_get_current(self) -> (Call, sys::CUcontext) {
        let mut context = ptr::null_mut();
        let get_current = &self.functions().ctx_get_current;
        // SAFETY: the out-parameter is a handle of ours.
        let code = unsafe { (get_current.function)(&mut context) };
        (get_current.returned(code), context)
    }

    /// `cuCtxGetDevice`: that of the current context.
    #[inline]
    pub(crate) fn call_get_current_device(self) -> (Call, sys::CUdevice) {
        let mut device = 0;
        let get_device = &self.functions().ctx_get_device;
        // SAFETY: the out-parameter is a device of ours.
        let code = unsafe { (get_device.function)(&mut device) };
        (get_device.returned(code), device)
    }

    /// `cuCtxGetApiVersion`, for its result alone: success for a living context, primary or ordinary,
    /// 201 for a dead one. It changes nothing.
    ///
    /// # Safety
    /// The handle came from this driver. The context may be dead: measured on driver 580, which returns
    /// 201 then, for a primary context and for a destroyed one of `cuCtxCreate`.
    #[inline]
    pub(crate) unsafe fn call_get_api_version(self, context: sys::CUcontext) -> Call {
        let mut version = 0;
        let get_api_version = &self.functions().ctx_get_api_version;
        // SAFETY: the out-parameter is an int of ours; the handle is as the caller promises.
        let code = unsafe { (get_api_version.function)(context, &mut version) };
        get_api_version.returned(code)
    }

    /// `cuCtxSetCurrent`, instead of what is current.
    ///
    /// # Safety
    /// The handle came from this driver. A dead primary context is accepted without harm (driver 580,
    /// measured). Nothing is recorded for a destroyed context of `cuCtxCreate`; NVIDIA's documentation
    /// says that no later call may use a destroyed one.
    #[inline]
    pub(crate) unsafe fn call_set_current(self, context: sys::CUcontext) -> Call {
        let set_current = &self.functions().ctx_set_current;
        // SAFETY: the caller's promise.
        let code = unsafe { (set_current.function)(context) };
        set_current.returned(code)
    }

    /// `cuCtxPushCurrent_v2`.
    ///
    /// # Safety
    /// As [`call_set_current`](Self::call_set_current).
    #[inline]
    pub(crate) unsafe fn call_push_current(self, context: sys::CUcontext) -> Call {
        let push_current = &self.functions().ctx_push_current;
        // SAFETY: the caller's promise.
        let code = unsafe { (push_current.function)(context) };
        push_current.returned(code)
    }

    /// `cuCtxPopCurrent_v2`: what was on top, if the call succeeded.
    #[inline]
    pub(crate) fn call_pop_current(self) -> (Call, sys::CUcontext) {
        let mut popped = ptr::null_mut();
        let pop_current = &self.functions().ctx_pop_current;
        // SAFETY: the out-parameter is a handle of ours.
        let code = unsafe { (pop_current.function)(&mut popped) };
        (pop_current.returned(code), popped)
    }
}
