//! A release that failed: the error, and the handle if it still owes its reference.

use std::fmt;
use std::mem::ManuallyDrop;

use crate::error::Error;
use crate::primary_context::PrimaryContext;

/// Why [`PrimaryContext::release`] failed, and the handle, if it still owes its reference.
///
/// Take the handle with [`into_parts`](Self::into_parts) to try again, to drop it, or to give it away with
/// [`into_raw`](PrimaryContext::into_raw). Dropping this error, or turning it into an [`Error`] as `?` does, gives up on
/// the reference: no second release is made, and [`Driver::unreleased`](crate::Driver::unreleased) counts the reference,
/// unless it was gone already.
#[derive(thiserror::Error)]
pub struct ReleaseError {
    #[source]
    error: Error,
    /// Never dropped: that would release again.
    handle: Option<ManuallyDrop<PrimaryContext>>,
}

impl ReleaseError {
    #[cold]
    pub(crate) fn new(error: Error, handle: Option<PrimaryContext>) -> Self {
        Self { error, handle: handle.map(ManuallyDrop::new) }
    }

    /// What went wrong.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The handle, if it still owes its reference. `None` if the reference is gone although a call failed:
    /// the context is inactive, or the release took a green context's reference and the retain that should
    /// give it back failed.
    pub fn handle(&self) -> Option<&PrimaryContext> {
        self.handle.as_deref()
    }

    /// Returns what went wrong, and the handle, if it still owes its reference.
    #[must_use = "dropping the handle releases again"]
    pub fn into_parts(mut self) -> (Error, Option<PrimaryContext>) {
        let handle = self.handle.take().map(ManuallyDrop::into_inner);
        (self.error.clone(), handle)
    }
}

impl Drop for ReleaseError {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            ManuallyDrop::into_inner(handle).give_up(&self.error);
        }
    }
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.handle {
            Some(_) => "the primary context was not released",
            None => "the handle's reference is gone, although a driver call failed",
        };
        formatter.write_str(what)
    }
}

impl fmt::Debug for ReleaseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}: {}", self.error)
    }
}

/// Gives up on the reference, without a second release.
impl From<ReleaseError> for Error {
    fn from(error: ReleaseError) -> Self {
        error.error.clone()
    }
}
