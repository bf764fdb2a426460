//! One interpreter in a process: what is kept between calls is the process's.

use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Refuses every interpreter but the first that loads the package. Python itself refuses isolated ones, from
/// 3.12 on.
pub fn check_is_the_first(_: Python<'_>) -> PyResult<()> {
    static FIRST: AtomicI64 = AtomicI64::new(-1);
    // SAFETY: this thread is attached to an interpreter, as the argument says.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: it is the interpreter that this thread is attached to.
    let id = unsafe { ffi::PyInterpreterState_GetID(interpreter) };
    match FIRST.compare_exchange(-1, id, Ordering::Relaxed, Ordering::Relaxed) {
        Err(first) if first != id => Err(PyImportError::new_err(
            "cuda_primary_context does not support loading in subinterpreters: another interpreter of \
             this process has loaded it",
        )),
        _ => Ok(()),
    }
}
