//! What the types forbid: each file under tests/must_not_compile is refused by the compiler, with
//! the message beside it.
//!
//! Builds the crate and its test dependencies once more, which takes a minute or two, and so it runs
//! where it is asked for: `CUDA_PRIMARY_CONTEXT_REQUIRE=compiler cargo test --test must_not_compile`.

#[path = "support/skips.rs"]
mod skips;

use std::env;
use std::process::Command;

/// The compiler whose messages are kept. `TRYBUILD=overwrite` keeps those of another.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn types_forbid_what_must_not_be() {
    let overwrites = env::var_os("TRYBUILD").is_some();
    if !skips::is_required("compiler") && !overwrites {
        let reason = "CUDA_PRIMARY_CONTEXT_REQUIRE does not ask for the compiler";
        return skips::skip("compiler", "what must not compile", reason);
    }
    let compiler = Command::new("rustc").arg("--version").output().expect("rustc runs");
    let compiler = String::from_utf8_lossy(&compiler.stdout);
    assert!(
        compiler.starts_with(COMPILER) || overwrites,
        "the messages kept are those of {COMPILER}*, and this is {compiler}"
    );
    trybuild::TestCases::new().compile_fail("tests/must_not_compile/*.rs");
}
