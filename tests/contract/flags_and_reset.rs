//! The settings of a primary context, and its reset.

use super::sequences::sequences;

sequences! {
    /// 8, the map of host memory, is on in every context.
    flags_of_the_second_generation:
        "flags=4 0 0/4, retain 0 1/4, bind 0, context_flags 0 12, flags=2 0 1/2",
        "context_flags 0 10, flags=2 0 1/2, flags=4294967295 1 1/2, release 0 0/0, flags=1 0 0/1",
        "retain 0 1/1, release 0 0/0";

    flags_of_the_first_generation:
        "flags_v1=4 0 0/4, retain 0 1/4, flags_v1=2 708 1/4, flags_v1=4294967295 1 1/4",
        "release 0 0/0, flags_v1=1 0 0/1, flags_v1=0 0 0/0";

    flags_and_the_reset:
        "flags=4 0 0/4, reset 0 0/0, flags=4 0 0/4, retain 0 1/4, reset 0 0/0, release 0 0/0";

    /// The second generation gives no reference back.
    reset_of_the_second_generation:
        "reset 0 0/0, release 201 0/0, retain 0 1/0, retain 0 1/0, reset 0 0/0, release 0 0/0",
        "release 0 0/0, release 201 0/0, retain 0 1/0, reset 0 0/0, retain 0 1/0, release 0 1/0",
        "release 0 0/0, release 201 0/0";

    /// The first generation gives one back.
    reset_of_the_first_generation:
        "retain 0 1/0, reset_v1 0 0/0, release 201 0/0, retain 0 1/0, retain 0 1/0",
        "reset_v1 0 0/0, release 0 0/0, release 201 0/0";
}
