//! What the witness reads of other code's memory (Python's structures, the tables of loaded libraries)
//! may be anything. A program of nothing but its readers, on memory full of what is wrong.

use std::path::Path;
use std::process::Command;

const ROUNDS: u64 = 2_000;

const PARTS: [&str; 6] = [
    "loaded_object.c",
    "python_frames.c",
    "python_lines.c",
    "python_offsets.c",
    "python_text.c",
    "readable.c",
];

/// With two seeds.
#[test]
fn no_memory_crashes_the_readers() {
    let folder = tempfile::tempdir().unwrap();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let executable = folder.path().join("corrupt");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-O1", "-g", "-Wall", "-o"]).arg(&executable);
    compiler.arg(package.join("tests/witness/corrupt_memory.c"));
    compiler.args(PARTS.iter().map(|part| package.join("witness").join(part)));
    assert!(compiler.arg("-ldl").status().expect("a C compiler").success());
    for seed in ["1", "20261124"] {
        let output = Command::new(&executable).args([seed, &ROUNDS.to_string()]).output().unwrap();
        assert!(output.status.success(), "{seed}: {:?}", output.status);
        let said = String::from_utf8(output.stdout).unwrap();
        // It must get somewhere, or it shows nothing.
        let numbers: Vec<u64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [lines, _, symbols] = numbers[..] else { panic!("{said}") };
        assert!(
            lines > ROUNDS / 3 && (ROUNDS / 8..2 * ROUNDS).contains(&symbols),
            "{seed}: {said}"
        );
    }
}
