//! What the types forbid: each program under must_not_compile is refused by the compiler, with the
//! errors that it names and on the lines where it names them: `//~ E0382`, or a lint's name. There is a
//! program for each stage of the compiler, which ends at the first stage with errors.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Line and error code.
type Refusals = BTreeSet<(u64, String)>;

#[test]
fn types_forbid_what_must_not_be() {
    let library = library();
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

/// The crate as this program links it: the newest of its libraries that lie beside this program.
fn library() -> PathBuf {
    let program = env::current_exe().unwrap();
    let files = fs::read_dir(program.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
    let libraries = files.filter(|file| {
        let name = file.file_name().unwrap().to_string_lossy();
        name.starts_with("libcuda_primary_context-") && name.ends_with(".rlib")
    });
    let newest = libraries.max_by_key(|file| fs::metadata(file).unwrap().modified().unwrap());
    newest.expect("this program is linked to one")
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
    let text = String::from_utf8_lossy(&output.stderr);
    for message in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        said += message["rendered"].as_str().unwrap_or_default();
        let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let span = spans.iter().find(|span| span["is_primary"] == true);
        if let (true, Some(span)) = (message["level"] == "error", span) {
            let code = message["code"]["code"].as_str().unwrap_or("no code");
            refused.insert((span["line_start"].as_u64().unwrap(), code.to_string()));
        }
    }
    (refused, said)
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
