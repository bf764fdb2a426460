//! The checked-in bindings are what the build script makes of the newest header.
//!
//! After a change to the generation, or to move on to a newer header (the folder with its cuda.h):
//!
//! ```text
//! CUDA_HEADER_DIR=… UPDATE_BINDINGS=1 cargo test --test bindings checked_in
//! ```

use std::path::Path;

use cuda_primary_context::sys::{CUDA_VERSION, SOURCE};

use crate::support::skips;

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sys/bindings.rs");

#[test]
fn checked_in_bindings_are_generated_from_the_newest_header() {
    let checked_in = read(Path::new(CHECKED_IN));
    let newest = version_of(&checked_in);
    let update = std::env::var_os("UPDATE_BINDINGS").is_some_and(|value| value == "1");

    if !SOURCE.starts_with("generated from cuda.h ") {
        return skip(update, &format!("no header was read: the bindings are {SOURCE}"));
    }
    if CUDA_VERSION < newest {
        return skip(update, &format!("cuda.h {CUDA_VERSION} is older than {newest}, checked in"));
    }
    let generated = read(&Path::new(env!("OUT_DIR")).join("bindings.rs"));
    if update {
        std::fs::write(CHECKED_IN, &generated).expect("the checked-in bindings can be written");
        skips::say(&format!("wrote {CHECKED_IN} from cuda.h {CUDA_VERSION}"));
        return;
    }
    if CUDA_VERSION > newest {
        return skip(false, &format!("cuda.h {CUDA_VERSION} is newer than {newest}, checked in"));
    }
    if let Some((line, was, is)) = first_difference(&checked_in, &generated) {
        panic!(
            "src/sys/bindings.rs, line {line}:\n  checked in: {was}\n  generated:  {is}\n\
             UPDATE_BINDINGS=1 with this test takes the generated ones"
        );
    }
}

/// Says why nothing is compared; fails where a comparison was required or an update asked for.
fn skip(update: bool, reason: &str) {
    assert!(!update, "nothing to update from: {reason}");
    skips::skip("newest-header", "the checked-in bindings against the newest header", reason);
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn version_of(bindings: &str) -> u32 {
    let constant = bindings.lines().find_map(|line| {
        line.strip_prefix("pub const CUDA_VERSION: u32 = ")?.strip_suffix(';')?.parse().ok()
    });
    constant.expect("the bindings have CUDA_VERSION")
}

/// The first line that differs, its number counted from 1; texts of equal lines differ in their end.
fn first_difference<'a>(was: &'a str, is: &'a str) -> Option<(usize, &'a str, &'a str)> {
    if was == is {
        return None;
    }
    let (mut was, mut is) = (was.split('\n'), is.split('\n'));
    (1..).find_map(|line| match (was.next(), is.next()) {
        (Some(was), Some(is)) if was == is => None,
        (was, is) => Some((line, was.unwrap_or("(no line)"), is.unwrap_or("(no line)"))),
    })
}
