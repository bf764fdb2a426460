//! The report of real programs. What it says of each kind of record is tested in the crate itself.

use std::fs;
use std::path::Path;

use crate::programs::has_python;
use crate::traced::Trace;

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

const THREAD: &str = "\
thread = threading.Thread(target=lambda: (use(0), time.sleep(60)), daemon=True)
thread.start(); thread.join(0.5)
";

#[test]
fn scripts_of_python() {
    if !has_python("reports of Python") {
        return;
    }
    let visible = "CUDA_VISIBLE_DEVICES was changed after cuInit";
    let ended = THREAD.replace("60", "0");
    for (script, says, says_not) in [
        // A thread is said to live or to have ended.
        (
            THREAD,
            &[
                "  the thread still lives: if it uses the device again, a released context comes back\n",
                "  next: call cudaSetDevice in that thread; a release will not last\n",
            ][..],
            "the thread has ended",
        ),
        (&ended, &["  the thread has ended\n"], "still lives"),
        // A variable that was changed too late is pointed out.
        ("os.environ['CUDA_VISIBLE_DEVICES'] = '2,1'\nuse(0)\n", &[visible], "STRAY on device 1"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program.py");
        fs::write(&path, format!("{DRIVER}{script}")).unwrap();
        let mut trace = Trace::new(&["--only", "1"]);
        trace.command.current_dir(folder.path());
        let traced = trace.program(&["python3", path.to_str().unwrap()]).run();
        traced.ended_with(0);
        says.iter().for_each(|text| traced.says(text));
        assert!(!traced.stderr.contains(says_not), "{}", traced.stderr);
        let retain = traced.calls("cuDevicePrimaryCtxRetain")[0];
        assert_eq!(retain["visible_devices_changed"], says[0] == visible);
    }
}

#[test]
fn it_is_written_to_a_file_instead_of_the_program_s_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let mut trace = Trace::new(&["--only", "1", "--output", path.to_str().unwrap()]);
    trace.command.env("CLICOLOR_FORCE", "1");
    let traced = trace.client("init retain:0").run();
    traced.ended_with(0);
    assert_eq!(traced.stderr, "");
    let report = fs::read_to_string(&path).unwrap();
    assert!(report.starts_with("cuda-contexts: 1 process holds 1 stray on device 0"), "{report}");
    assert!(!report.contains('\x1b'), "{report}");
}

/// The program of the README.
#[test]
fn the_thread_in_which_no_device_was_selected_is_found_by_its_line() {
    if !has_python("the stray of a thread") {
        return;
    }
    let stray = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/stray.py");
    let stray = stray.to_str().unwrap();
    let traced = Trace::new(&["--only", "1"]).program(&["python3", stray]).run();
    traced.ended_with(0);
    traced.says("stray.py:20 (ctypes)");
    traced.says("stray.py:20 in use\n    ");
    traced.says("stray.py:29 in prefetch\n    through ");
    let traced = Trace::new(&["--only", "1", "--deny"]).program(&["python3", stray]).run();
    traced.says("in prefetch\n    use(0)");
    traced.says("the driver returned 800");
}

#[test]
fn native_frames_have_function_file_and_line() {
    let traced = Trace::new(&[]).client("init thread:1").run();
    traced.ended_with(0);
    let frames = &traced.calls("cuDevicePrimaryCtxRetain")[0]["native"];
    assert_eq!(
        (&frames[0]["function"], &frames[1]["function"]),
        (&"retain".into(), &"in_thread".into())
    );
    let lines = include_str!("../client/places.c").lines().zip(1..);
    let (_, line) =
        lines.into_iter().find(|(line, _)| line.contains("result = retain(handle);")).unwrap();
    assert_eq!(frames[1]["line"], line);
    traced.says(&format!("places.c:{line} in in_thread"));
}
