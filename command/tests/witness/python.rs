//! The Python lines of a call, in every interpreter that can be had, against what the interpreter says
//! of its own stack.
//!
//! ```text
//! .ci/fetch pythons
//! CUDA_PRIMARY_CONTEXT_TEST_PYTHONS=$PWD/target/ci/pythons cargo test -p cuda-contexts --test command python::
//! ```
//!
//! An interpreter is DIR/3.13/python, else python3.13, else one of pyenv's. One that is not there is
//! skipped in words, and fails where `CUDA_PRIMARY_CONTEXT_REQUIRE` names it (`python-3.13`).

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::skips::{self, skip};
use crate::traced::{Trace, Traced, pick};

const PYTHONS: &str = "CUDA_PRIMARY_CONTEXT_TEST_PYTHONS";

/// How many lines of a call are kept.
const MOST_FRAMES: usize = 64;

/// How many calls `lines.py` makes.
const STACKS: usize = 20;

fn runs(python: &Path, version: &str) -> bool {
    let script = "import ctypes, sys; print('%d.%d' % sys.version_info[:2])";
    let output = Command::new(python).args(["-c", script]).output();
    output.is_ok_and(|output| output.stdout == format!("{version}\n").as_bytes())
}

/// The interpreter of a version, if there is one.
fn interpreter(version: &str) -> Option<PathBuf> {
    let fetched = env::var_os(PYTHONS).map(PathBuf::from).unwrap_or_default();
    let pyenv = Path::new(&env::var_os("HOME").unwrap_or_default()).join(".pyenv/versions");
    let installed = fs::read_dir(pyenv).into_iter().flatten().flatten();
    let name = format!("python{version}");
    let places = [fetched.join(version).join("python"), PathBuf::from(&name)].into_iter();
    let mut places = places.chain(installed.map(|entry| entry.path().join("bin").join(&name)));
    let found = places.find(|python| runs(python, version));
    if found.is_none() {
        let what = format!("the lines of Python {version}");
        skip(&format!("python-{version}"), &what, &format!("no {name} that has ctypes"));
    }
    found
}

fn run(python: &Path, arguments: &[&str]) -> Traced {
    let mut trace = Trace::new(&["--stack", "all"]);
    trace.command.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH");
    let traced = trace.program(&[&[python.to_str().unwrap()][..], arguments].concat()).run();
    traced.ended_with(0);
    traced
}

/// The lines of a call: file, number and function.
fn lines_of(call: &Value) -> Value {
    let lines: Vec<&Value> = call["python"].as_array().unwrap().iter().collect();
    pick(&lines, "file line function")
}

/// In a folder whose name is not ASCII, with the GIL held by the caller and without.
fn lines(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("Ordner größer 目录");
    fs::create_dir(&folder).unwrap();
    let script = folder.join("lines.py");
    fs::write(&script, include_str!("lines.py")).unwrap();
    if let Some(python) = interpreter(version) {
        for how in ["CDLL", "PyDLL"] {
            let traced = run(&python, &[script.to_str().unwrap(), how]);
            let (printed, calls) = (&traced.stdout, traced.retains());
            assert_eq!((printed.lines().count(), calls.len()), (STACKS, STACKS));
            for (line, call) in printed.lines().zip(calls) {
                let expected: Value = serde_json::from_str(line).unwrap();
                assert_eq!(lines_of(call), expected, "{} {how}", python.display());
                // One of them is deeper than what is kept.
                let is_cut = expected.as_array().unwrap().len() == MOST_FRAMES;
                assert_eq!(call["python_complete"], !is_cut, "{} {how}: {line}", python.display());
            }
            assert_eq!(traced.events("process")[0]["python"], version);
            skips::say(&format!("{} {how}: {STACKS} stacks as Python says", python.display()));
        }
        unusual(&python);
    }
}

/// Threads that are not Python's, stacks deeper than what is kept, and the interpreter's end.
fn unusual(python: &Path) {
    let before = "import ctypes; driver = ctypes.CDLL('libcuda.so.1'); driver.cuInit(0)\n";
    let program = format!(
        "{before}\
         libc = ctypes.CDLL(None)\n\
         thread = ctypes.c_void_p()\n\
         start = ctypes.cast(driver.cuDevicePrimaryCtxRelease_v2, ctypes.c_void_p)\n\
         libc.pthread_create(ctypes.byref(thread), None, start, ctypes.c_void_p(7))\n\
         libc.pthread_join(thread, None)\n"
    );
    let traced = run(python, &["-c", &program]);
    assert_eq!(pick(&traced.releases(), "python python_complete"), json!([[[], true]]));
    assert_eq!(lines_of(traced.calls("cuInit")[0]), json!([["<string>", 1, "<module>"]]));

    let deep = format!(
        "{before}\
         def deep(more):\n  return deep(more - 1) if more else driver.cuDevicePrimaryCtxRelease_v2(7)\n\
         deep(61)\ndeep(62)\ndeep(63)\n"
    );
    let traced = run(python, &["-c", &deep]);
    let releases = traced.releases();
    let lengths = releases.iter().map(|call| call["python"].as_array().unwrap().len());
    assert_eq!(lengths.collect::<Vec<_>>(), [63, 64, 64]);
    let complete = pick(&releases, "python_complete");
    assert_eq!(complete, json!([[true], [true], [false]]), "cut is said");

    let late = format!(
        "{before}\
         import atexit\n\
         class Late:\n  def __del__(self, release=driver.cuDevicePrimaryCtxRelease_v2): release(7)\n\
         late = Late()\n\
         import sys; sys.late = Late()\n\
         atexit.register(lambda: driver.cuDevicePrimaryCtxRelease_v2(7))\n"
    );
    let traced = run(python, &["-c", &late]);
    let releases = traced.releases();
    assert!(releases.len() >= 2, "{releases:?}");
    assert_eq!(releases[0]["python"][0]["function"], "<lambda>");
    assert!(releases.iter().all(|call| call["result"].is_u64() && call["python_complete"] == true));
}

#[test]
fn the_lines_are_those_that_python_names() {
    ["3.11", "3.12", "3.13", "3.14", "3.15"].into_iter().for_each(lines);
}
