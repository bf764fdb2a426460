//! The calling thread's current context while a device is swept: taken off it before the release, given
//! back after it if it still lives.

use crate::driver::calls::Callee;
use crate::driver::device::Device;
use crate::primary_context::PrimaryContext;
use crate::primary_context::thread_context::{RawContext, ThreadContext};
use crate::retain_only::sweep::{Sweep, error};
use crate::sys::CUresult;

impl Sweep<'_> {
    /// Takes the calling thread off a context of this device, and answers which.
    pub(super) fn leave(
        &mut self,
        device: Device,
    ) -> Result<Option<RawContext>, (Callee, CUresult)> {
        let thread = match self.thread {
            Some(thread) => thread,
            None => self.ask_thread()?,
        };
        match thread {
            ThreadContext::Of(handle, former) if handle == device.as_raw() => {
                let left = match self.kept {
                    Some(kept) => (Callee::SetCurrent, self.set_current(kept.into())),
                    None => (Callee::PopCurrent, self.pop_current()),
                };
                // Asked anew before the next release: it is another context now, or will be.
                self.thread = None;
                match left.1.is_success() {
                    true => Ok(Some(former)),
                    false => {
                        self.stay(device, former);
                        Err(left)
                    }
                }
            }
            _ => Ok(None),
        }
    }

    fn ask_thread(&mut self) -> Result<ThreadContext, (Callee, CUresult)> {
        let findings = &mut self.findings;
        let thread = ThreadContext::query(self.driver.loaded(), |function, code| {
            findings.record(function, code);
        })?;
        self.thread = Some(thread);
        Ok(thread)
    }

    /// After a failure to leave a context, which may have had its effect all the same: sees to it that
    /// the thread is on it.
    #[cold]
    fn stay(&mut self, device: Device, former: RawContext) {
        let (code, current) = self.driver.loaded().get_current();
        self.findings.record(Callee::GetCurrent, code);
        if code.is_success() && RawContext(current) == former {
            return;
        }
        self.make_current_again(device, former);
    }

    /// After the release of the device whose context the thread was on: makes that current again, if it
    /// still lives.
    #[cold]
    pub(super) fn come_back(&mut self, device: Device, former: RawContext) {
        // SAFETY: the driver gave the handle on this thread.
        let code = unsafe { self.driver.loaded().is_alive(former.0) };
        self.findings.record(Callee::GetApiVersion, code);
        match code {
            CUresult::CUDA_SUCCESS => self.make_current_again(device, former),
            CUresult::CUDA_ERROR_INVALID_CONTEXT | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED => {
                self.findings.switched(device);
            }
            code => self.not_restored(device, (Callee::GetApiVersion, code)),
        }
    }

    fn make_current_again(&mut self, device: Device, former: RawContext) {
        let (function, code) = match self.kept {
            Some(_) => (Callee::SetCurrent, self.set_current(former)),
            None => (Callee::PushCurrent, self.push_current(former)),
        };
        self.thread = None;
        if code.is_success() {
            return;
        }
        // It may have had its effect all the same.
        let (current_code, current) = self.driver.loaded().get_current();
        self.findings.record(Callee::GetCurrent, current_code);
        if !current_code.is_success() || RawContext(current) != former {
            self.not_restored(device, (function, code));
        }
    }

    fn not_restored(&mut self, device: Device, call: (Callee, CUresult)) {
        let error = error(device, call);
        self.findings.not_restored(device, error);
    }

    fn set_current(&mut self, context: RawContext) -> CUresult {
        // SAFETY: the driver gave the handle: it is the kept context's, or was current on this thread. A
        // primary one that was destroyed since is taken without harm (measured); the thread is then on a
        // dead context. What a destroyed one of `cuCtxCreate` does here was not tried: `come_back` has
        // asked before whether it lives, `stay` has not, and who destroys it on another thread after that
        // answers for every call that is given it, this one too (NVIDIA's documentation of cuCtxDestroy).
        let code = unsafe { self.driver.loaded().set_current(context.0) };
        self.findings.record(Callee::SetCurrent, code);
        code
    }

    fn push_current(&mut self, context: RawContext) -> CUresult {
        // SAFETY: as for `set_current`.
        let code = unsafe { self.driver.loaded().push_current(context.0) };
        self.findings.record(Callee::PushCurrent, code);
        code
    }

    fn pop_current(&mut self) -> CUresult {
        let (code, _) = self.driver.loaded().pop_current();
        self.findings.record(Callee::PopCurrent, code);
        code
    }
}

impl From<&PrimaryContext> for RawContext {
    fn from(context: &PrimaryContext) -> Self {
        Self(context.as_raw())
    }
}
