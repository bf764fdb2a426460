//! What the calling thread has current, as far as a release on some device is concerned.

use crate::driver::calls::Callee;
use crate::driver::loaded::Loaded;
use crate::sys::{self, CUresult};

/// A context handle that the driver gave, and that is only ever given back to it. The context behind it
/// may be dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawContext(pub(crate) sys::CUcontext);

/// What is current on the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThreadContext {
    /// Nothing, or a context that is destroyed already and whose device the driver does not tell any
    /// more (driver 580 does): no release can leave the thread worse off.
    OfNoDevice,
    /// A context of this device.
    Of(sys::CUdevice, RawContext),
}

impl ThreadContext {
    /// Asks the driver, and tells `record` of every call: `cuCtxGetCurrent`, and of what that names
    /// `cuCtxGetDevice`. The error is the function that failed and its answer.
    pub(crate) fn query(
        loaded: &Loaded,
        mut record: impl FnMut(Callee, CUresult),
    ) -> Result<Self, (Callee, CUresult)> {
        let (code, raw) = loaded.get_current();
        record(Callee::GetCurrent, code);
        if !code.is_success() {
            return Err((Callee::GetCurrent, code));
        }
        if raw.is_null() {
            return Ok(Self::OfNoDevice);
        }
        let (code, device) = loaded.get_current_device();
        record(Callee::GetDevice, code);
        match code {
            CUresult::CUDA_SUCCESS => Ok(Self::Of(device, RawContext(raw))),
            CUresult::CUDA_ERROR_INVALID_CONTEXT | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED => {
                Ok(Self::OfNoDevice)
            }
            code => Err((Callee::GetDevice, code)),
        }
    }
}
