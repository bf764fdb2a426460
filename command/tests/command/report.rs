//! The report of real programs. What it says of each kind of record is tested in the crate itself.

use std::fs;
use std::path::Path;

use crate::traced::{Trace, Traced, has_python};

const STRAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/stray.py");

/// How scripts reach the driver.
const DRIVER: &str = "\
import ctypes, os, threading, time
cuda = ctypes.CDLL('libcuda.so.1')
cuda.cuInit(0)
def use(ordinal):
    device, context = ctypes.c_int(), ctypes.c_void_p()
    cuda.cuDeviceGet(ctypes.byref(device), ordinal)
    cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
";

/// The report of a script that begins with the driver, without its other lines.
fn report(options: &[&str], script: &str) -> Traced {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.py");
    fs::write(&path, format!("{DRIVER}{script}")).unwrap();
    let mut trace = Trace::new(options);
    trace.current_dir(folder.path());
    trace.program(&["python3", path.to_str().unwrap()]).run()
}

#[test]
fn the_user_s_own_lines_survive_in_a_deep_stack() {
    if !has_python("a deep stack") {
        return;
    }
    let script = "\
def library(depth):
    if depth % 2:
        return library(depth - 1)
    return library(depth - 1) if depth else use(0)
def my_training_step():
    library(40)
my_training_step()
";
    let traced = report(&[], script);
    traced.ended_with(0);
    traced.says("    program.py:7 in use\n");
    traced.says("      … 32 more\n      program.py:13 in my_training_step\n");
    traced.says("      program.py:14 in <module>\n");
    traced.says("created by program.py:7 (ctypes) in the main thread");
}

#[test]
fn a_thread_is_said_to_live_or_to_have_ended() {
    if !has_python("threads of Python") {
        return;
    }
    let thread = "thread = threading.Thread(target=lambda: (use(0), time.sleep(PAUSE)), daemon=True)\n\
                  thread.start(); thread.join(0.5)\n";
    let traced = report(&["--only", "1"], &thread.replace("PAUSE", "60"));
    traced.ended_with(0);
    traced.says(
        "  the thread still lives: if it uses the device again, a released context comes back\n",
    );
    traced.says(
        "  next: call cudaSetDevice in that thread, or start the program with cuda-contexts run; ",
    );
    let traced = report(&["--only", "1"], &thread.replace("PAUSE", "0"));
    traced.ended_with(0);
    traced.says("  the thread has ended\n");
}

#[test]
fn visible_devices_that_were_changed_too_late_are_pointed_out() {
    if !has_python("CUDA_VISIBLE_DEVICES that Python changes") {
        return;
    }
    let text = "CUDA_VISIBLE_DEVICES was changed after cuInit";
    let traced = report(&[], "os.environ['CUDA_VISIBLE_DEVICES'] = '2,1'\nuse(0)\n");
    traced.ended_with(0);
    traced.says(text);
    assert_eq!(traced.calls("cuDevicePrimaryCtxRetain")[0]["visible_devices_changed"], true);
    let traced = report(&[], "use(0)\n");
    assert!(!traced.stderr.contains(text), "{}", traced.stderr);
}

#[test]
fn strings_of_the_program_are_shown_without_control_characters() {
    if !has_python("names that a program chooses") {
        return;
    }
    let script = "\
text = 'def f():\\n use(0)\\n'
code = compile(text, 'evil\\x1b[31m.py\\nSTRAY on device 9', 'exec')
names = {'use': use}
exec(code, names)
names['f'].__code__ = names['f'].__code__.replace(co_name='na\\x1b]0;x\\x07me\\nline2')
names['f']()
";
    let traced = report(&[], script);
    traced.ended_with(0);
    assert!(!traced.stderr.contains(['\x1b', '\x07']), "{}", traced.stderr);
    assert!(!traced.stderr.contains("\nSTRAY"), "{}", traced.stderr);
    traced.says(r"evil\u{1b}[31m.py\nSTRAY on device 9:2 in na\u{1b}]0;x\u{7}me\nline2");
}

#[test]
fn a_title_that_a_program_sets_loses_its_padding() {
    let traced = Trace::new(&[]).client("title init retain:0 sleep:0 sleep:0").run();
    traced.ended_with(0);
    assert_eq!(traced.events("process")[0]["command"], serde_json::json!(["worker"]));
    traced.says(": worker (");
}

#[test]
fn it_is_written_to_a_file_instead_of_the_program_s_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let mut trace = Trace::new(&["--only", "1", "--output", path.to_str().unwrap()]);
    trace.env("CLICOLOR_FORCE", "1");
    let traced = trace.client("init retain:0").run();
    traced.ended_with(0);
    assert_eq!(traced.stderr, "");
    let report = fs::read_to_string(&path).unwrap();
    assert!(report.starts_with("cuda-contexts: 1 process holds 1 stray on device 0"), "{report}");
    assert!(!report.contains('\x1b'), "{report}");
    let traced = Trace::new(&["-o", "/nowhere/report"]).client("init").run();
    traced.ended_with(125);
    traced.says("/nowhere/report");
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn the_thread_in_which_no_device_was_selected_is_found_by_its_line() {
    if !has_python("the stray of a thread") {
        return;
    }
    let traced = Trace::new(&["--only", "1"]).program(&["python3", STRAY]).run();
    traced.ended_with(0);
    traced.says("stray.py:20 in use\n    ");
    traced.says("stray.py:29 in prefetch\n    through ");
    let retains = traced.calls("cuDevicePrimaryCtxRetain");
    let strays: Vec<_> = retains.iter().map(|call| call["stray"].as_bool().unwrap()).collect();
    assert_eq!(strays, [false, true]);
}

#[test]
fn a_denied_context_fails_at_the_line_that_asks_for_it() {
    if !has_python("a denied context in Python") {
        return;
    }
    let traced = Trace::new(&["--only", "1", "--deny"]).program(&["python3", STRAY]).run();
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
