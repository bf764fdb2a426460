//! The driver calls about primary contexts and about what a thread has current, each in one place, with
//! the reason why it is sound.
//!
//! They answer the driver's code as it is; what it means is for the caller to say. None asks whether
//! this is a forked child: the caller has.

use std::ffi::{c_int, c_uint};
use std::ptr;

use crate::driver::loaded::{DeviceRecord, Loaded};
use crate::sys::{self, CUresult};

/// A function that the safe layer calls for a device or a thread, in one byte: a report keeps many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee {
    Retain,
    Release,
    GetState,
    SetFlags,
    Reset,
    GetCurrent,
    GetDevice,
    GetApiVersion,
    SetCurrent,
    PushCurrent,
    PopCurrent,
}

impl Callee {
    /// The exact C name, for errors and reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Retain => "cuDevicePrimaryCtxRetain",
            Self::Release => "cuDevicePrimaryCtxRelease_v2",
            Self::GetState => "cuDevicePrimaryCtxGetState",
            Self::SetFlags => "cuDevicePrimaryCtxSetFlags_v2",
            Self::Reset => "cuDevicePrimaryCtxReset_v2",
            Self::GetCurrent => "cuCtxGetCurrent",
            Self::GetDevice => "cuCtxGetDevice",
            Self::GetApiVersion => "cuCtxGetApiVersion",
            Self::SetCurrent => "cuCtxSetCurrent",
            Self::PushCurrent => "cuCtxPushCurrent_v2",
            Self::PopCurrent => "cuCtxPopCurrent_v2",
        }
    }
}

impl DeviceRecord {
    /// `cuDevicePrimaryCtxRetain`. The context says something where the code is success.
    #[inline]
    pub(crate) fn retain(&self) -> (CUresult, sys::CUcontext) {
        let mut context = ptr::null_mut();
        let retain = self.driver.functions().primary_ctx_retain;
        // SAFETY: the out-parameter is a handle of ours, and the device handle is the driver's own.
        let code = unsafe { retain(&mut context, self.handle) };
        (code, context)
    }

    /// `cuDevicePrimaryCtxRelease_v2`.
    #[inline]
    pub(crate) fn release(&self) -> CUresult {
        let release = self.driver.functions().primary_ctx_release;
        // SAFETY: the device handle is the driver's own. One release more than there are references
        // is refused (201) by every driver that was tried, in a process that the driver takes for
        // initialised. In a child forked after somebody else's *failed* cuInit driver 580 dies of it
        // (SIGSEGV); nobody can ask whether this is such a child, and the page `driver_behaviour`
        // says so. Others who still use the context: "Soundness" of `retain_only`.
        unsafe { release(self.handle) }
    }

    /// `cuDevicePrimaryCtxGetState`: flags and whether it is active, where the code is success.
    #[inline]
    pub(crate) fn get_state(&self) -> (CUresult, c_uint, bool) {
        self.driver.get_state()(self.handle)
    }

    /// `cuDevicePrimaryCtxSetFlags_v2`.
    pub(crate) fn set_flags(&self, flags: c_uint) -> CUresult {
        let set_flags = self.driver.functions().primary_ctx_set_flags;
        // SAFETY: the device handle is the driver's own, and flags it does not know are refused.
        unsafe { set_flags(self.handle, flags) }
    }

    /// `cuDevicePrimaryCtxReset_v2`.
    ///
    /// # Safety
    /// Nobody in the process uses an object of the device's primary context any more.
    pub(crate) unsafe fn reset(&self) -> CUresult {
        let reset = self.driver.functions().primary_ctx_reset;
        // SAFETY: the device handle is the driver's own; the rest is the caller's promise.
        unsafe { reset(self.handle) }
    }
}

impl Loaded {
    /// [`get_state`](DeviceRecord::get_state) for one who asks many devices, by their handles: the
    /// function is read from memory once.
    #[inline]
    pub(crate) fn get_state(&self) -> impl Fn(sys::CUdevice) -> (CUresult, c_uint, bool) + use<> {
        let get_state = self.functions().primary_ctx_get_state;
        move |device| {
            let (mut flags, mut active): (c_uint, c_int) = (0, 0);
            // SAFETY: the out-parameters are ints of ours. One that is no device handle is refused.
            let code = unsafe { get_state(device, &mut flags, &mut active) };
            (code, flags, active != 0)
        }
    }

    /// `cuCtxGetCurrent`: null where nothing is current.
    #[inline]
    pub(crate) fn get_current(&self) -> (CUresult, sys::CUcontext) {
        let mut context = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        let code = unsafe { (self.functions().ctx_get_current)(&mut context) };
        (code, context)
    }

    /// `cuCtxGetDevice`: that of the current context.
    #[inline]
    pub(crate) fn get_current_device(&self) -> (CUresult, sys::CUdevice) {
        let mut device = 0;
        // SAFETY: the out-parameter is a device handle of ours.
        let code = unsafe { (self.functions().ctx_get_device)(&mut device) };
        (code, device)
    }

    /// `cuCtxGetApiVersion`, for its code alone: success for a living context, primary or ordinary,
    /// 201 for a dead one. It changes nothing.
    ///
    /// # Safety
    /// The handle came from this driver. The context behind it may be dead: measured on driver 580,
    /// which answers 201 then, of a primary context and of a destroyed one of `cuCtxCreate`.
    #[inline]
    pub(crate) unsafe fn is_alive(&self, context: sys::CUcontext) -> CUresult {
        let mut version = 0;
        // SAFETY: the out-parameter is an int of ours; the handle is as the caller promises.
        unsafe { (self.functions().ctx_get_api_version)(context, &mut version) }
    }

    /// `cuCtxSetCurrent`, in place of what is current.
    ///
    /// # Safety
    /// The handle came from this driver. A dead primary context is taken without harm (driver 580,
    /// measured); of a destroyed one of `cuCtxCreate` nothing is recorded, and NVIDIA leaves it to whoever
    /// destroys it that no call is given it afterwards.
    #[inline]
    pub(crate) unsafe fn set_current(&self, context: sys::CUcontext) -> CUresult {
        // SAFETY: the caller's promise.
        unsafe { (self.functions().ctx_set_current)(context) }
    }

    /// `cuCtxPushCurrent_v2`.
    ///
    /// # Safety
    /// As [`set_current`](Self::set_current).
    #[inline]
    pub(crate) unsafe fn push_current(&self, context: sys::CUcontext) -> CUresult {
        // SAFETY: the caller's promise.
        unsafe { (self.functions().ctx_push_current)(context) }
    }

    /// `cuCtxPopCurrent_v2`: what was on top, where the code is success.
    #[inline]
    pub(crate) fn pop_current(&self) -> (CUresult, sys::CUcontext) {
        let mut popped = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        let code = unsafe { (self.functions().ctx_pop_current)(&mut popped) };
        (code, popped)
    }
}
