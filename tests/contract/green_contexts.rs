//! What references green contexts hold, and what becomes of those that somebody else releases.
//!
//! A green context holds one ordinary reference. A release that takes the last one while a green context lives
//! returns 800, takes it all the same and leaves the context active.

use super::sequences::sequences;

sequences! {
    create_destroy: "create_green 0 1/0, destroy_green 0 0/0, release 201 0/0";

    /// The destruction finds nothing to give back: the context stays for good.
    create_release_destroy:
        "create_green 0 1/0, release 800 1/0, destroy_green 0 1/0, release 201 1/0",
        "release 201 1/0";

    /// 201 does not say that the context is inactive.
    release_while_active_returns_201:
        "create_green 0 1/0, release 800 1/0, release 201 1/0, destroy_green 0 1/0";

    retain_create_release_release_destroy:
        "retain 0 1/0, create_green 0 1/0, release 0 1/0, release 800 1/0, destroy_green 0 1/0",
        "release 201 1/0";

    /// Each holds its own reference.
    two_green_contexts:
        "create_green 0 1/0, create_green 0 1/0, destroy_green 0 1/0, destroy_green 0 0/0";

    two_green_contexts_and_two_releases:
        "create_green 0 1/0, create_green 0 1/0, release 0 1/0, release 800 1/0",
        "destroy_green 0 1/0, destroy_green 0 1/0";

    /// One retain while the green context lives is what it gives back later.
    a_retain_undoes_it:
        "create_green 0 1/0, release 800 1/0, retain 0 1/0, destroy_green 0 0/0, release 201 0/0";

    a_retain_and_a_release_repair_it_later:
        "create_green 0 1/0, release 800 1/0, destroy_green 0 1/0, retain 0 1/0, release 0 0/0",
        "release 201 0/0";

    a_reset_repairs_it_later:
        "create_green 0 1/0, release 800 1/0, destroy_green 0 1/0, reset 0 0/0, retain 0 1/0",
        "release 0 0/0, state 0/0";
}
