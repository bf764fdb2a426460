//! Suspending and resuming other processes.
//!
//! A signal handler may raise an exception after any call of this module returns, before its caller has the
//! result. Python then drops the result from its stack while the exception is set, and what the call began
//! is undone there: see [`dropped_by_an_exception`]. So no result may rest in a variable of a frame of
//! Python code on its way to the caller, because a traceback keeps that.

pub mod group;
mod held;
pub mod process;
pub mod questions;
mod restore;

use pyo3::prelude::*;

/// Whether an object that is dropped now is the result of a call that nobody got, because of an exception.
/// Runs the action without that exception, which is raised again afterwards.
fn dropped_by_an_exception(action: impl FnOnce(Python<'_>)) {
    // At the end of the interpreter there is nothing to attach to, and nothing to undo.
    Python::try_attach(|py| {
        if let Some(raised) = PyErr::take(py) {
            action(py);
            raised.restore(py);
        }
    });
}
