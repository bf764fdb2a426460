//! What the types forbid: each file under tests/must_not_compile is refused by the compiler, with
//! the message beside it.

use std::process::Command;

/// The compiler whose messages are kept. `TRYBUILD=overwrite` keeps those of another.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn types_forbid_what_must_not_be() {
    let compiler = Command::new("rustc").arg("--version").output().expect("rustc runs");
    let compiler = String::from_utf8_lossy(&compiler.stdout);
    if !compiler.starts_with(COMPILER) && std::env::var_os("TRYBUILD").is_none() {
        let required = std::env::var("CUDA_PRIMARY_CONTEXT_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "compiler"),
            "{compiler} is not the promised compiler, {COMPILER}*"
        );
        println!("skipped: the messages kept are those of {COMPILER}*, and this is {compiler}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/must_not_compile/*.rs");
}
