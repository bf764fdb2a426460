//! The checked-in bindings are what the build script makes of the newest header, and `sys::SOURCE` says
//! which bindings these are. The simulator has each of their functions.
//!
//! After a change to the generation, or to take a newer header (the folder with its cuda.h):
//!
//! ```text
//! CUDA_HEADER_DIR=… UPDATE_BINDINGS=1 cargo test --test bindings checked_in
//! ```

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use cuda_primary_context::sys::{CUDA_VERSION, SOURCE};

use crate::support::skips;
use crate::text;

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sys/bindings.rs");

/// How a test run says what the build must have used: the beginning of [`SOURCE`].
const EXPECTED: &str = "CUDA_PRIMARY_CONTEXT_EXPECTED_SOURCE";

#[test]
fn source_is_the_expected_one() {
    match std::env::var(EXPECTED) {
        Ok(expected) => assert!(SOURCE.starts_with(&expected), "{expected:?}, not {SOURCE:?}"),
        Err(_) => {
            let reason = format!("{EXPECTED} does not say what to expect of {SOURCE:?}");
            skips::skip("expected-source", "the source of the bindings", &reason);
        }
    }
}

#[test]
fn checked_in_bindings_are_generated_from_the_newest_header() {
    let checked_in = fs::read_to_string(CHECKED_IN).unwrap();
    let newest = version_of(&checked_in);
    let update = std::env::var_os("UPDATE_BINDINGS").is_some_and(|value| value == "1");
    let is_generated = SOURCE.starts_with("generated from cuda.h ");
    if !is_generated || CUDA_VERSION < newest || (CUDA_VERSION > newest && !update) {
        let reason = format!("the bindings are {SOURCE}, and those of {newest} are checked in");
        assert!(!update, "nothing to update from: {reason}");
        skips::skip("newest-header", "the checked-in bindings against the newest header", &reason);
        return;
    }
    let generated = fs::read_to_string(Path::new(env!("OUT_DIR")).join("bindings.rs")).unwrap();
    if update {
        fs::write(CHECKED_IN, &generated).unwrap();
        skips::say(&format!("wrote {CHECKED_IN} from cuda.h {CUDA_VERSION}"));
        return;
    }
    let mut lines = (1..).zip(checked_in.lines().zip(generated.lines()));
    if let Some((line, (was, is))) = lines.find(|(_, (was, is))| was != is) {
        panic!(
            "src/sys/bindings.rs, line {line}:\n  checked in: {was}\n  generated:  {is}\n\
             Run this test with UPDATE_BINDINGS=1 to check in the generated ones."
        );
    }
    assert_eq!(checked_in.len(), generated.len(), "one has more lines than the other");
}

/// Programs that look up all functions at their start must find them in the simulator, too.
#[test]
fn the_simulator_exports_every_function_since_the_same_version() {
    let exported: HashMap<_, _> =
        simulated_libcuda::entry_points().map(|entry| (entry.symbol, entry.since)).collect();
    let functions = text::functions(&fs::read_to_string(CHECKED_IN).unwrap());
    assert!(functions.len() > 600, "{} functions in the bindings", functions.len());
    for function in functions {
        let since = exported.get(&*function.symbol).copied();
        assert_eq!(since, u32::try_from(function.introduced).ok(), "{}", function.symbol);
    }
}

fn version_of(bindings: &str) -> u32 {
    let constant = bindings.lines().find_map(|line| {
        line.strip_prefix("pub const CUDA_VERSION: u32 = ")?.strip_suffix(';')?.parse().ok()
    });
    constant.expect("the bindings have CUDA_VERSION")
}
