//! What the witness reads of other code's memory (stacks, Python's structures) may be anything. Programs
//! of nothing but its readers, on memory full of what is wrong.

use std::path::Path;
use std::process::Command;

/// Compiles the program with these files of the witness, and runs it with two seeds.
fn run(program: &str, parts: &[&str], rounds: u32) {
    let folder = tempfile::tempdir().unwrap();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let executable = folder.path().join("corrupt");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-O1", "-g", "-Wall", "-o"]).arg(&executable);
    compiler.arg(package.join("tests/witness").join(program));
    compiler.args(parts.iter().map(|part| package.join("witness").join(part)));
    assert!(compiler.arg("-ldl").status().expect("a C compiler").success());
    for seed in ["1", "20261124"] {
        let output = Command::new(&executable).args([seed, &rounds.to_string()]).output().unwrap();
        assert!(output.status.success(), "{program} {seed}: {:?}", output.status);
        let said = String::from_utf8(output.stdout).unwrap();
        // It must get somewhere, or it shows nothing.
        let frames: u64 = said.split(' ').next().unwrap().parse().unwrap();
        assert!(frames > u64::from(rounds) / 3, "{program} {seed}: {said}");
    }
}

#[test]
fn pythons_structures() {
    let parts =
        ["python_frames.c", "python_old_frames.c", "python_text.c", "python_lines.c", "readable.c"];
    run("corrupt.c", &parts, 2_000);
}

#[test]
fn stacks() {
    let parts = [
        "unwind.c",
        "frame_numbers.c",
        "frame_description.c",
        "frame_rules.c",
        "frame_expression.c",
        "loaded_object.c",
        "readable.c",
    ];
    run("corrupt_stack.c", &parts, 100_000);
}
