//! Giving one reference back, and undoing what that does to a green context.

use crate::driver::calls::Callee;
use crate::driver::loaded::DeviceRecord;
use crate::error::Error;
use crate::sys::CUresult;

/// The answers to one release, and to the retain that undid it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Release {
    pub(crate) code: CUresult,
    /// What the retain answered that followed at once, after 800.
    pub(crate) undo: Option<CUresult>,
}

/// What a release left of the reference.
pub(crate) enum GivenBack {
    /// It is gone.
    Yes,
    /// It is gone, or nobody's any more, although a call failed.
    WithError(Error),
    /// The driver did not take it, as far as it tells.
    No(Error),
}

/// Releases once, whoever's reference that is. `cuDevicePrimaryCtxRelease_v2`, and after 800
/// `cuDevicePrimaryCtxRetain`.
///
/// A green context holds one ordinary reference. Where a release takes the last one while a green
/// context lives, the driver answers 800, takes it all the same and leaves the context active, for
/// good: destroying the green context finds nothing to give back. One retain puts that right, and the
/// context then goes with the green one (measured on driver 580).
#[inline]
pub(crate) fn release(record: &DeviceRecord) -> Release {
    let code = record.release();
    let undo = match code {
        CUresult::CUDA_ERROR_NOT_PERMITTED => Some(record.retain().0),
        _ => None,
    };
    Release { code, undo }
}

/// Gives the reference of a handle back.
#[inline]
pub(crate) fn give_back(record: &DeviceRecord) -> GivenBack {
    let release = release(record);
    match release.code.is_success() {
        true => GivenBack::Yes,
        false => after_failure(record, release),
    }
}

/// An answer is not an effect: what is so now counts.
#[cold]
pub(crate) fn after_failure(record: &DeviceRecord, release: Release) -> GivenBack {
    match release.undo {
        // The reference is the green context's now, which had lost its own.
        Some(CUresult::CUDA_SUCCESS) => return GivenBack::Yes,
        Some(code) => return GivenBack::WithError(error(record, code, Callee::Retain.name())),
        None => {}
    }
    let failure = error(record, release.code, Callee::Release.name());
    match record.get_state() {
        // Nobody holds a reference to a context that is not there.
        (CUresult::CUDA_SUCCESS, _, false) => GivenBack::WithError(failure),
        _ => GivenBack::No(failure),
    }
}

fn error(record: &DeviceRecord, code: CUresult, call: &'static str) -> Error {
    record.driver.error(code, call, Some(record.ordinal))
}
