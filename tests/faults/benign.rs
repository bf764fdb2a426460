//! Every answer that the documentation declares to be no failure, and every one that is told under
//! another name. Nothing else may be kept from the caller.

use super::log::{Entry, GET_DEVICE, POP, RELEASE};

/// Where a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// By `retain_only`, for another device or for the thread.
    Sweep,
    /// By the Drop of a handle or a guard.
    DropOfHandle,
    /// By the Drop of a scope.
    DropOfScope,
    /// By anything that answers with a `Result`.
    Answering,
}

/// What a call answers without being a failure, and why.
const NO_FAILURE: [(Place, &str, &[u32], &str); 3] = [
    (
        Place::Sweep,
        RELEASE,
        &[201],
        "somebody else released the last reference: AlreadyInactive, or Released by what went before",
    ),
    (
        Place::Sweep,
        GET_DEVICE,
        &[201, 709],
        "the current context is destroyed, and is replaced before a release: Switched, from nowhere",
    ),
    (Place::DropOfHandle, RELEASE, &[3, 4, 201], "there was nothing left to give back"),
];

/// Whether this entry is no failure at this place.
pub fn is_benign(place: Place, entry: &Entry) -> bool {
    // A scope's Drop has nobody to report to, and its documentation sends those who care to `leave`.
    let unreported = place == Place::DropOfScope && entry.is(POP);
    unreported
        || NO_FAILURE.iter().any(|(where_made, function, codes, _)| {
            *where_made == place && entry.is(function) && codes.contains(&entry.code)
        })
}

/// Answers of `cuInit` that have errors of their own, by `Error::kind`.
pub const OF_INIT: [(u32, &str); 3] =
    [(3, "forked_after_init"), (34, "stub_library"), (100, "no_device")];
