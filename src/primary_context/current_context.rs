//! A scope in which a primary context is current on a thread.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::error::Error;
use crate::primary_context::PrimaryContext;

/// A scope in which a primary context is current on this thread.
///
/// Made by [`PrimaryContext::make_current`], which pushes the context onto the thread's stack;
/// dropping the scope pops it. End scopes in the reverse order, and leave the stack inside one as it was: if
/// something else is on top at the end, it is put back, and the context of this scope stays on the stack.
///
/// Drop calls `cuCtxPopCurrent_v2`, ignores the result, and does nothing in a forked child. To get the
/// result, call [`leave`](Self::leave).
#[must_use = "the context stops being current when the scope is dropped"]
pub struct CurrentContext<'a> {
    context: &'a PrimaryContext,
    /// A thread's stack of contexts is its own: neither `Send` nor `Sync`.
    of_this_thread: PhantomData<*const ()>,
}

impl PrimaryContext {
    /// Makes the context current on this thread until the returned scope is dropped. Calls
    /// `cuCtxPushCurrent_v2`; what was current before becomes current again.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias("cuCtxPushCurrent", "cuCtxPushCurrent_v2"))]
    pub fn make_current(&self) -> Result<CurrentContext<'_>, Error> {
        let driver = self.device().driver();
        driver.check_process()?;
        // SAFETY: the handle is the driver's own.
        self.device().check(unsafe { driver.call_push_current(self.as_raw()) })?;
        Ok(CurrentContext { context: self, of_this_thread: PhantomData })
    }
}

impl<'a> CurrentContext<'a> {
    /// The context that is current.
    pub fn context(&self) -> &'a PrimaryContext {
        self.context
    }

    /// Ends the scope, and returns the driver's result. Calls `cuCtxPopCurrent_v2`, and
    /// `cuCtxPushCurrent_v2` if that popped another context, to put it back.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::NotCurrent`] if another context was on top of the stack,
    /// [`Error::ForkedAfterInit`]. The scope has ended in each case.
    #[doc(alias("cuCtxPopCurrent", "cuCtxPopCurrent_v2"))]
    pub fn leave(self) -> Result<(), Error> {
        ManuallyDrop::new(self).pop()
    }

    fn pop(&self) -> Result<(), Error> {
        let device = self.context.device();
        device.driver().check_process()?;
        let (call, popped) = device.driver().call_pop_current();
        device.check(call)?;
        if popped == self.context.as_raw() {
            return Ok(());
        }
        // SAFETY: the driver returned the handle just now, from this thread's stack. If it is a context of
        // `cuCtxCreate` that was destroyed, its destroyer is responsible, as `call_push_current` says.
        device.check(unsafe { device.driver().call_push_current(popped) })?;
        Err(Error::NotCurrent { device: device.ordinal() })
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
