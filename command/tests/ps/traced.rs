//! A process that runs under `cuda-contexts trace`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::machine::{Machine, is_documented};
use crate::limit;
use crate::programs::has_python;

/// Prints its id, and then holds a context on two devices until it is killed.
const PROGRAM: &str = r#"
import ctypes, os, sys
cuda, context = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p()
cuda.cuInit(0)
cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 1)
cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
print(os.getpid(), flush=True)
sys.stdin.read()
"#;

#[test]
fn what_the_trace_has_recorded_until_now_is_shown() {
    if !has_python("a traced process") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("worker.py");
    std::fs::write(&program, PROGRAM).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-contexts"));
    command.args(["trace", "--driver", "simulated", "--output", "/dev/null", "--", "python3"]);
    command.arg(&program).env("SIMULATED_CUDA_DEVICES", "2").env_remove("CUDA_VISIBLE_DEVICES");
    let mut trace = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pid = String::new();
    BufReader::new(trace.stdout.as_mut().unwrap()).read_line(&mut pid).unwrap();
    let pid = pid.trim();
    let machine = Machine::new(&format!("2\n0 {pid} 612 -1\n1 {pid} 1634 -1\n"));
    let (page, lines) = (machine.page(""), machine.json(""));
    // The program reads its end.
    drop(trace.stdin.take());
    assert!(limit::wait(&mut trace).success());
    assert!(
        page.contains(&format!("Process {pid} runs under cuda-contexts trace. Until now:\n")),
        "{page}"
    );
    for text in ["worker.py:5", "worker.py:6", "still runs", "CUDA contexts in 1 process on device"]
    {
        assert!(page.contains(text), "no {text:?} in:\n{page}");
    }
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    let traced: Vec<_> = lines.iter().filter(|line| line["event"] == "traced").collect();
    assert_eq!(traced.len(), 2, "{lines:#?}");
    for (line, source_line) in traced.into_iter().zip([6, 5]) {
        is_documented(line);
        assert_eq!(line["pid"].to_string(), pid);
        assert_eq!((&line["host"], &line["created"]), (&lines[0]["host"], &1.into()));
        assert_eq!(line["holders"][0]["references"], 1);
        let creation = &line["creations"][0];
        assert_eq!(creation["function"], "cuDevicePrimaryCtxRetain");
        assert_eq!(creation["python"][0]["line"], source_line);
    }
}
