//! The calling thread's current context while a device is released: taken off the thread before, and made
//! current again afterwards if it is still alive.

use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::retain_only::run::Run;
use crate::sys::{CUcontext, CUdevice, CUresult};

/// The calling thread's current context and its device. `None` if nothing is current, or a context that is
/// destroyed already and whose device the driver does not return any more (driver 580 does): no release can
/// leave the thread worse off.
pub(super) type Current = Option<(CUdevice, CUcontext)>;

impl Run<'_> {
    /// Takes the calling thread off a context of this device, and returns which. The error is the call
    /// that failed.
    pub(super) fn take_thread_off(&mut self, device: Device) -> Result<Option<CUcontext>, Call> {
        let former = match self.current()? {
            Some((raw, former)) if raw == device.as_raw() => former,
            _ => return Ok(None),
        };
        let call = match self.kept {
            Some(kept) => self.set_current(kept.as_raw()),
            None => self.pop_current(),
        };
        // Read again before the next release: it is another context now, or will be.
        self.current = None;
        match call.is_success() {
            true => Ok(Some(former)),
            false => {
                self.stay_on(device, former);
                Err(call)
            }
        }
    }

    /// What the thread has current, read once until that changes.
    fn current(&mut self) -> Result<Current, Call> {
        if let Some(current) = self.current {
            return Ok(current);
        }
        let current = self.query_current()?;
        self.current = Some(current);
        Ok(current)
    }

    fn query_current(&mut self) -> Result<Current, Call> {
        let (call, context) = self.driver.call_get_current();
        self.record(call);
        call.result()?;
        if context.is_null() {
            return Ok(None);
        }
        let (call, device) = self.driver.call_get_current_device();
        self.record(call);
        match call.code {
            CUresult::CUDA_SUCCESS => Ok(Some((device, context))),
            CUresult::CUDA_ERROR_INVALID_CONTEXT | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED => {
                Ok(None)
            }
            _ => Err(call),
        }
    }

    /// After a failure to take the thread off a context, which may have had its effect all the same: makes
    /// it current again if it is not.
    #[cold]
    fn stay_on(&mut self, device: Device, former: CUcontext) {
        if !self.is_current(former) {
            self.make_current_again(device, former);
        }
    }

    /// After the release of the device whose context the thread was on: makes that current again, if it is
    /// still alive.
    #[cold]
    pub(super) fn restore_current(&mut self, device: Device, former: CUcontext) {
        // SAFETY: the driver returned the handle on this thread.
        let call = unsafe { self.driver.call_get_api_version(former) };
        self.record(call);
        match call.code {
            CUresult::CUDA_SUCCESS => self.make_current_again(device, former),
            CUresult::CUDA_ERROR_INVALID_CONTEXT | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED => {
                self.findings().switched(device);
            }
            _ => self.findings().not_restored(device, device.error(call)),
        }
    }

    fn make_current_again(&mut self, device: Device, former: CUcontext) {
        let call = match self.kept {
            Some(_) => self.set_current(former),
            None => self.push_current(former),
        };
        self.current = None;
        // A call that failed may have had its effect all the same.
        if !call.is_success() && !self.is_current(former) {
            self.findings().not_restored(device, device.error(call));
        }
    }

    fn is_current(&mut self, context: CUcontext) -> bool {
        let (call, current) = self.driver.call_get_current();
        self.record(call);
        call.is_success() && current == context
    }

    fn set_current(&mut self, context: CUcontext) -> Call {
        // SAFETY: the driver returned the handle: it is the kept context's, or was current on this thread.
        // A primary context that was destroyed since is accepted without harm (measured); the thread is
        // then on a dead context. What a destroyed one of `cuCtxCreate` does here was not tried:
        // `restore_current` has checked that it is alive, `stay_on` has not. Code that destroys it on another
        // thread after that must not let any call use it, this one included (NVIDIA's documentation of
        // cuCtxDestroy).
        let call = unsafe { self.driver.call_set_current(context) };
        self.record(call);
        call
    }

    fn push_current(&mut self, context: CUcontext) -> Call {
        // SAFETY: as for `set_current`.
        let call = unsafe { self.driver.call_push_current(context) };
        self.record(call);
        call
    }

    fn pop_current(&mut self) -> Call {
        let (call, _) = self.driver.call_pop_current();
        self.record(call);
        call
    }
}
