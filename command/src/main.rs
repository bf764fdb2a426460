//! Which code created this CUDA context, and who holds it.

// The runtime that comes with an ordinary `main` ignores SIGPIPE, and hides what this
// process was started with, which the program is to be started with.
#![no_main]

use std::ffi::{c_char, c_int};

/// What the C library calls.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    cuda_contexts::command::run(std::env::args_os().skip(1))
}
