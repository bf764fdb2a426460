//! Every answer that the documentation declares to be no failure, and every one that is told under
//! another name. Nothing else may be kept from the caller.

use cuda_primary_context::Error;

use super::log::{DESTROYED, Entry, GET_API_VERSION, GET_DEVICE, INVALID_CONTEXT, NOT_PERMITTED};
use super::log::{GET_BY_ADDRESS, GET_STATE, RELEASE, RETAIN};

/// Answers of `cuInit` that have errors of their own, by `Error::kind`.
pub const OF_INIT: [(u32, &str); 3] =
    [(3, "forked_after_init"), (34, "stub_library"), (100, "no_device")];

/// Answers about a PCI address that are told as a device that is not known.
const OF_NO_DEVICE: [u32; 2] = [1, 101];

/// Whether this error is how the failure of this call is told.
pub fn tells(error: &Error, failed: &Entry) -> bool {
    match failed.is(GET_BY_ADDRESS) && OF_NO_DEVICE.contains(&failed.code) {
        true => error.kind() == "unknown_device",
        false => *error == failed.error(),
    }
}

/// Answers to a last release that say that there was nothing to give back: they are not counted.
const NOTHING_TO_GIVE_BACK: [u32; 3] = [3, 4, INVALID_CONTEXT];

/// Whether a release that answered this found nothing that could be given back.
pub fn is_code_of_nothing_to_give_back(code: u32) -> bool {
    NOTHING_TO_GIVE_BACK.contains(&code)
}

/// Whether a release is no failure, although its code is one: by what was called next, and by
/// whether the context is active afterwards.
pub fn is_benign_release(release: &Entry, next: Option<&Entry>, active: bool) -> bool {
    match release.code {
        // A retain undid it, or that retain is what failed.
        NOT_PERMITTED => next.is_some_and(|next| next.is(RETAIN) && next.device == release.device),
        // Somebody else released the last reference: the state says whether that is so.
        INVALID_CONTEXT => !active && next.is_some_and(|next| next.is(GET_STATE) && !next.failed()),
        _ => false,
    }
}

/// Whether a question about the thread's context was answered by saying that it is destroyed.
pub fn is_answer_about_the_dead(entry: &Entry) -> bool {
    let question = entry.is(GET_DEVICE) || entry.is(GET_API_VERSION);
    question && DESTROYED.contains(&entry.code)
}

/// Whether a handle that is gone after these calls counts as a reference that was not given back.
/// `active`: whether the context is, after them.
pub fn counts_as_unreleased(entries: &[Entry], active: bool) -> bool {
    let Some(release) = entries.iter().find(|entry| entry.is(RELEASE)) else { return false };
    let refused = release.failed()
        && release.code != NOT_PERMITTED
        && !is_code_of_nothing_to_give_back(release.code);
    refused && !is_known_to_be_inactive(entries, active)
}

/// Whether the driver told, after a release, that there is no context any more.
pub fn is_known_to_be_inactive(entries: &[Entry], active: bool) -> bool {
    let last = entries.last();
    !active && last.is_some_and(|state| state.is(GET_STATE) && !state.failed())
}
