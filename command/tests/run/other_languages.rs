//! Threads of other languages and libraries.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::started::{DRIVER, command};
use crate::limit::printed;
use crate::programs::{compile, has_python};
use crate::skips::skip;

#[test]
fn threads_of_cpp_and_openmp() {
    let text = r#"
#include <cstdio>
#include <future>
#include <thread>
extern "C" int cuInit(unsigned), cuDevicePrimaryCtxRetain(void **, int), cuCtxSetCurrent(void *), cuCtxGetDevice(int *);
static int device()
{
    int handle = -1;
    cuCtxGetDevice(&handle);
    return handle;
}
int main()
{
    void *context;
    int in_thread = -1, right = 0;
    cuInit(0);
    cuDevicePrimaryCtxRetain(&context, 1);
    cuCtxSetCurrent(context);
    std::thread([&] { in_thread = device(); }).join();
#pragma omp parallel num_threads(4) reduction(+ : right)
    right += device() == 1;
    std::printf("%d %d %d\n", in_thread, std::async(std::launch::async, device).get(), right);
}
"#;
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("threads.cpp");
    std::fs::write(&source, text).unwrap();
    let mut options = vec!["-std=c++17", "-lstdc++", DRIVER.1.to_str().unwrap(), "-fopenmp"];
    let mut probe = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    let probe = probe.args(["-fopenmp", "-shared", "-xc", "-", "-o", "/dev/null"]);
    let has_openmp = probe.stdin(Stdio::null()).status().is_ok_and(|status| status.success());
    if !has_openmp {
        options.pop();
        skip("openmp", "threads_of_cpp_and_openmp", "the C compiler has no OpenMP");
    }
    let program = compile("threads-of-cpp", &[source], &options);
    let expected = if has_openmp { "1 1 4\n" } else { "1 1 1\n" };
    assert_eq!(printed(command("run").arg("--").arg(program)), expected);
}

#[test]
fn threads_of_python() {
    let script = r#"
import asyncio, ctypes, threading
from concurrent.futures import ThreadPoolExecutor
cuda = ctypes.CDLL("libcuda.so.1")
context, results = ctypes.c_void_p(), []
cuda.cuInit(0)
cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 1)
cuda.cuCtxSetCurrent(context)

def device():
    handle = ctypes.c_int(-1)
    cuda.cuCtxGetDevice(ctypes.byref(handle))
    return handle.value

def select_device_2():
    cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 2)
    cuda.cuCtxSetCurrent(context)
    return device()

async def main():
    return await asyncio.to_thread(device)

thread = threading.Thread(target=lambda: results.append(device()))
thread.start()
thread.join()
with ThreadPoolExecutor(4) as pool:
    results += pool.map(lambda _: device(), range(8))
    results.append(pool.submit(select_device_2).result())
print(*results, asyncio.run(main()))
"#;
    if !has_python("threads_of_python") {
        return;
    }
    let text = printed(command("run").args(["python3", "-c", script]));
    assert_eq!(text, "1 1 1 1 1 1 1 1 1 2 1\n");
}

#[test]
fn threads_of_rust() {
    let text = r#"
extern "C" {
    fn cuInit(flags: u32) -> i32;
    fn cuDevicePrimaryCtxRetain(context: *mut usize, device: i32) -> i32;
    fn cuCtxSetCurrent(context: usize) -> i32;
    fn cuCtxGetDevice(device: *mut i32) -> i32;
}
fn device() -> i32 {
    let mut device = -1;
    unsafe { cuCtxGetDevice(&mut device) };
    device
}
fn main() {
    let mut context = 0;
    unsafe { cuInit(0) };
    unsafe { cuDevicePrimaryCtxRetain(&mut context, 1) };
    unsafe { cuCtxSetCurrent(context) };
    let scoped = std::thread::scope(|scope| scope.spawn(device).join().unwrap());
    println!("{} {scoped}", std::thread::spawn(device).join().unwrap());
}
"#;
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("threads.rs");
    let program = source.with_extension("");
    std::fs::write(&source, text).unwrap();
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mut compiler = Command::new(compiler);
    compiler.args(["--edition", "2021", "-C", &format!("link-arg={}", DRIVER.1.display()), "-o"]);
    if let Err(error) = compiler.arg(&program).arg(&source).stdin(Stdio::null()).output() {
        return skip("rustc", "threads_of_rust", &error.to_string());
    }
    assert_eq!(printed(command("run").arg(program)), "1 1\n");
}
