//! `cuCtxGetApiVersion` distinguishes a living context from a dead one, and changes nothing.

use super::sequences::sequences;

sequences! {
    primary_context:
        "retain 0 1/0, version 0 written, current none, bind 0, version 0 written, release 0 0/0",
        "version 201 untouched, current primary, bind_none 0, version 201 untouched, state 0/0",
        "retain 0 1/0, version 0 written, reset 0 0/0, version 201 untouched, release 0 0/0";

    ordinary_context:
        "create 0, version_of_ordinary 0 written, bind_none 0, version_of_ordinary 0 written",
        "current none, destroy 0, version_of_ordinary 201 untouched, state 0/0";

    /// They share the device, and nothing of their lives.
    ordinary_context_outlives_the_primary:
        "retain 0 1/0, create 0, current ordinary, release 0 0/0, version 201 untouched",
        "version_of_ordinary 0 written, current ordinary, synchronize 0, allocate 0, free 0",
        "state 0/0, destroy 0";
}
