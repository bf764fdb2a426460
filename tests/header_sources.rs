//! What `sys::SOURCE` says of the raw layer is what the raw layer is.

#[path = "support/skips.rs"]
mod skips;

use cuda_primary_context::sys::{CUDA_VERSION, SOURCE};

/// How a test run tells what the build must have used: the beginning of [`SOURCE`].
const EXPECTED: &str = "CUDA_PRIMARY_CONTEXT_EXPECTED_SOURCE";

fn dotted(version: u32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

#[test]
fn source_is_the_expected_one() {
    match std::env::var(EXPECTED) {
        Ok(expected) => {
            assert!(SOURCE.starts_with(&expected), "expected {expected:?}, built from {SOURCE:?}");
        }
        Err(_) => {
            let reason = format!("{EXPECTED} does not say what to expect of {SOURCE:?}");
            skips::skip("expected-source", "where the bindings are from", &reason);
        }
    }
}

#[test]
fn generated_bindings_are_of_the_header_that_source_names() {
    match SOURCE.strip_prefix("generated from cuda.h ") {
        Some(version) => {
            // What was passed over follows.
            assert_eq!(version.split(';').next(), Some(&*dotted(CUDA_VERSION)), "{SOURCE}");
        }
        None => assert!(SOURCE.starts_with("checked in: "), "{SOURCE}"),
    }
}
