//! The only file that touches a thread's current context.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;

use crate::device::Device;
use crate::error::Error;
use crate::loaded::Loaded;
use crate::primary_context::PrimaryContext;
use crate::sys::{self, CUresult};

/// A scope in which a primary context is current on this thread.
///
/// Made by [`PrimaryContext::make_current`], which pushes the context onto the thread's stack;
/// dropping the scope pops it. It belongs to the thread that made it, and must end before the
/// handle does. Code inside that pushes a context must pop it again, or the scope pops that one.
///
/// Drop calls `cuCtxPopCurrent_v2`, drops what it answers, and does nothing in a forked child; to
/// see the answer, call [`leave`](Self::leave).
#[must_use = "the context stops being current when the scope is dropped"]
pub struct CurrentContext<'a> {
    context: &'a PrimaryContext,
    /// A thread's stack of contexts is its own: neither `Send` nor `Sync`.
    of_this_thread: PhantomData<*const ()>,
}

impl<'a> CurrentContext<'a> {
    pub(crate) fn push(context: &'a PrimaryContext) -> Result<Self, Error> {
        let loaded = context.device().loaded();
        loaded.check_process()?;
        // SAFETY: the handle is a context that `context` keeps alive.
        let code = unsafe { (loaded.functions().ctx_push_current)(context.as_raw()) };
        loaded.check(code, "cuCtxPushCurrent_v2", Some(context.device().ordinal()))?;
        Ok(Self { context, of_this_thread: PhantomData })
    }

    /// The context that is current.
    #[must_use]
    pub fn context(&self) -> &'a PrimaryContext {
        self.context
    }

    /// Ends the scope, with the driver's answer. Calls `cuCtxPopCurrent_v2`.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`]; the scope is over all the same.
    #[doc(alias = "cuCtxPopCurrent")]
    #[doc(alias = "cuCtxPopCurrent_v2")]
    pub fn leave(self) -> Result<(), Error> {
        ManuallyDrop::new(self).pop()
    }

    fn pop(&self) -> Result<(), Error> {
        let loaded = self.context.device().loaded();
        loaded.check_process()?;
        let mut popped = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        let code = unsafe { (loaded.functions().ctx_pop_current)(&mut popped) };
        loaded.check(code, "cuCtxPopCurrent_v2", Some(self.context.device().ordinal()))
    }
}

impl Drop for CurrentContext<'_> {
    fn drop(&mut self) {
        // There is nobody to report to, and nothing else to be done about it.
        let _ = self.pop();
    }
}

impl fmt::Debug for CurrentContext<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("CurrentContext").field(&self.context.device()).finish()
    }
}

/// What the calling thread has current, as far as a release on some device is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThreadContext {
    /// Nothing, so nothing can be left dangling.
    Nothing,
    /// A context of this device.
    Of(sys::CUdevice, Raw),
    /// A context that is destroyed already, and whose device the driver does not tell any more
    /// (driver 580 does).
    Destroyed,
}

/// A context handle that is only ever given back to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw(sys::CUcontext);

impl ThreadContext {
    /// Asks what is current on this thread: `cuCtxGetCurrent`, and of what it names
    /// `cuCtxGetDevice`.
    pub(crate) fn query(loaded: &Loaded) -> Result<Self, Error> {
        let functions = loaded.functions();
        let mut raw = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        let code = unsafe { (functions.ctx_get_current)(&mut raw) };
        loaded.check(code, "cuCtxGetCurrent", None)?;
        if raw.is_null() {
            return Ok(Self::Nothing);
        }
        let mut device = 0;
        // SAFETY: the out-parameter is a device handle of ours.
        let code = unsafe { (functions.ctx_get_device)(&mut device) };
        match code {
            CUresult::CUDA_ERROR_INVALID_CONTEXT | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED => {
                Ok(Self::Destroyed)
            }
            code => loaded.check(code, "cuCtxGetDevice", None).map(|()| Self::Of(device, Raw(raw))),
        }
    }
}

/// Makes a context current on this thread in place of the one that is (`cuCtxSetCurrent`).
pub(crate) fn replace(device: Device, context: Raw) -> Result<(), Error> {
    let loaded = device.loaded();
    // SAFETY: the handle is the driver's; one that it no longer knows is refused.
    let code = unsafe { (loaded.functions().ctx_set_current)(context.0) };
    loaded.check(code, "cuCtxSetCurrent", Some(device.ordinal()))
}

impl From<&PrimaryContext> for Raw {
    fn from(context: &PrimaryContext) -> Self {
        Self(context.as_raw())
    }
}
