//! What the calling thread has current, as far as a release on some device is concerned.

use crate::driver::Driver;
use crate::driver::calls::Call;
use crate::sys::{self, CUresult};

/// A context handle that the driver returned, and that is only ever passed back to it. The context may be
/// dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawContext(pub(crate) sys::CUcontext);

/// What is current on the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThreadContext {
    /// Nothing, or a context that is destroyed already and whose device the driver does not return any
    /// more (driver 580 does): no release can leave the thread worse off.
    OfNoDevice,
    /// A context of this device.
    Of(sys::CUdevice, RawContext),
}

impl ThreadContext {
    /// Calls `cuCtxGetCurrent`, and for what that returns `cuCtxGetDevice`; passes every call to `record`.
    /// The error is the call that failed.
    pub(crate) fn query(driver: Driver, mut record: impl FnMut(Call)) -> Result<Self, Call> {
        let (call, raw) = driver.call_get_current();
        record(call);
        if !call.is_success() {
            return Err(call);
        }
        if raw.is_null() {
            return Ok(Self::OfNoDevice);
        }
        let (call, device) = driver.call_get_current_device();
        record(call);
        match call.code {
            CUresult::CUDA_SUCCESS => Ok(Self::Of(device, RawContext(raw))),
            CUresult::CUDA_ERROR_INVALID_CONTEXT | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED => {
                Ok(Self::OfNoDevice)
            }
            _ => Err(call),
        }
    }
}
