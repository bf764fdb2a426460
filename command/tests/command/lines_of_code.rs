//! Lines of Python and of native code.

use std::path::Path;
use std::process::Command;

use crate::skips::skip;
use crate::traced::{Trace, Traced, has_python};

fn stray_py() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/stray.py").to_str().unwrap().to_owned()
}

/// The interpreters of this machine that start.
fn interpreters() -> Vec<String> {
    let names = ["python3".to_owned()].into_iter();
    let names = names.chain((11..=15).map(|minor| format!("python3.{minor}")));
    names
        .filter(|name| {
            let output = Command::new(name).args(["-c", "import ctypes"]).output();
            output.is_ok_and(|output| output.status.success())
        })
        .collect()
}

fn functions(traced: &Traced, stray: bool) -> Vec<String> {
    let retains = traced.calls("cuDevicePrimaryCtxRetain");
    let call = retains.iter().find(|call| call["stray"] == stray).expect("such a retain");
    let lines = call["python"].as_array().unwrap();
    lines.iter().map(|line| line["function"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_thread_that_was_never_told_its_device_is_found_by_its_line() {
    let interpreters = interpreters();
    if interpreters.is_empty() {
        skip("python", "lines of Python", "there is no python3 with ctypes");
    }
    let source = std::fs::read_to_string(stray_py()).unwrap();
    let line = 1 + source.lines().position(|line| line == "    use(device)").unwrap();
    for python in interpreters {
        let traced = Trace::new(&["--only", "1"]).program(&[&*python, &stray_py()]).run();
        traced.ended_with(0);
        assert_eq!(functions(&traced, true)[..2], ["use", "prefetch"], "{python}");
        assert_eq!(functions(&traced, false), ["use", "main", "<module>"], "{python}");
        traced.says(&format!("stray.py:{line} in prefetch"));
        println!("{python}: {}", traced.events("process")[0]["python"]);
    }
}

#[test]
fn a_denied_context_fails_at_the_line_that_asks_for_it() {
    if !has_python("a denied context in Python") {
        return;
    }
    let traced = Trace::new(&["--only", "1", "--deny"]).program(&["python3", &stray_py()]).run();
    traced.says("in prefetch\n    use(device)");
    traced.says("the driver returned 800");
}

#[test]
fn native_frames_have_function_file_and_line() {
    let traced = Trace::new(&[]).client("init thread:1").run();
    traced.ended_with(0);
    let retains = traced.calls("cuDevicePrimaryCtxRetain");
    let frames = retains[0]["native"].as_array().unwrap();
    let functions: Vec<_> =
        frames.iter().filter_map(|frame| frame["function"].as_str()).take(2).collect();
    assert_eq!(functions, ["retain", "in_thread"]);
    assert!(frames[0]["file"].as_str().unwrap().ends_with("client.c"));
    let source = include_str!("client.c");
    let (line, _) =
        source.lines().enumerate().find(|(_, line)| line.contains("    retain(ordinal);")).unwrap();
    assert_eq!(frames[1]["line"], line + 1);
    traced.says(&format!("client.c:{} in in_thread", line + 1));
}
