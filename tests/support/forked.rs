//! What the crate returns in a forked child.
#![allow(dead_code, reason = "each test binary uses its part")]

use cuda_primary_context::Error;

/// Checks that a result is `ForkedAfterInit`, and names this parent.
pub fn is_forked<T: std::fmt::Debug>(result: Result<T, Error>, parent: u32) {
    match result {
        Err(Error::ForkedAfterInit { initialised_in: Some(process), .. }) if process == parent => {}
        other => panic!("in a forked child: {other:?}"),
    }
}
