//! What the types forbid: each program under must_not_compile is refused by the compiler, with the
//! errors that it names and on the lines where it names them: `//~ E0382`, or a lint's name. There is a
//! program for each stage of the compiler, which ends at the first stage with errors.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::skips;

/// Line and error code.
type Refusals = BTreeSet<(u64, String)>;

#[test]
fn types_forbid_what_must_not_be() {
    let Some(library) = library() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bindings/must_not_compile");
    let mut programs: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    programs.sort();
    assert_eq!(programs.len(), 3, "{}", folder.display());
    let mut wrong = Vec::new();
    for program in &programs {
        let name = program.file_name().unwrap().to_string_lossy();
        let expected = expected(&fs::read_to_string(program).unwrap());
        assert!(!expected.is_empty(), "{name} names no error");
        let (refused, said) = compile(program, &library);
        if refused != expected {
            wrong.push(format!("{name}: expected {expected:?}, refused {refused:?}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The crate as a program's compiler takes it. A build of this test alone may have left none.
fn library() -> Option<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--quiet", "--lib", "--message-format=json"]);
    cargo.args((!cfg!(feature = "bindgen")).then_some("--no-default-features"));
    let output = match cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output() {
        Ok(output) => output,
        Err(error) => {
            skips::skip("compiler", "what must not compile", &format!("no cargo: {error}"));
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let artifacts = messages(&output.stdout);
    let library = artifacts.iter().find(|artifact| {
        artifact["reason"] == "compiler-artifact"
            && artifact["target"]["name"] == "cuda_primary_context"
    });
    let file = library.and_then(|library| library["filenames"][0].as_str());
    Some(file.expect("cargo names the library's file").into())
}

/// What the compiler refuses of a program, and all that it says about it.
fn compile(program: &Path, library: &Path) -> (Refusals, String) {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "--error-format=json", "--emit=metadata", "--out-dir"]);
    rustc.arg(env!("CARGO_TARGET_TMPDIR")).arg(program);
    rustc.arg(format!("--extern=cuda_primary_context={}", library.display()));
    rustc.arg(format!("-Ldependency={}", library.parent().unwrap().display()));
    let output = rustc.output().expect("rustc runs");
    let mut refused = Refusals::new();
    let mut said = String::new();
    for message in messages(&output.stderr) {
        said += message["rendered"].as_str().unwrap_or_default();
        let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let place = spans.iter().find(|span| span["is_primary"] == true);
        if let (true, Some(place)) = (message["level"] == "error", place) {
            let code = message["code"]["code"].as_str().unwrap_or("no code");
            refused.insert((place["line_start"].as_u64().unwrap(), code.to_string()));
        }
    }
    (refused, said)
}

fn messages(output: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(output);
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What a program says of itself.
fn expected(program: &str) -> Refusals {
    let mut expected = Refusals::new();
    for (number, line) in (1..).zip(program.lines()) {
        let codes = line.split_once("//~").map(|(_, codes)| codes).unwrap_or_default();
        expected.extend(codes.split_whitespace().map(|code| (number, code.to_string())));
    }
    expected
}
