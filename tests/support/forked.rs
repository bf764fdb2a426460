//! What the crate answers in a forked child.
#![allow(dead_code, reason = "each test binary uses its part")]

use cuda_primary_context::Error;

/// That an answer is `ForkedAfterInit`, made by this parent.
pub fn is_forked<T: std::fmt::Debug>(answer: Result<T, Error>, parent: u32) {
    match answer {
        Err(Error::ForkedAfterInit { initialised_in: Some(process), .. }) if process == parent => {}
        other => panic!("in a forked child: {other:?}"),
    }
}
