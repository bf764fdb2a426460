//! The crate's errors as exceptions.

use pyo3::prelude::*;
use serde::Serialize;

use crate::value::{not_json, plain};

/// The exception for an error of the crate: `cuda_primary_context.errors` has the classes.
pub fn exception(py: Python<'_>, error: &impl Serialize) -> PyErr {
    let made = || instance(py, error);
    let raised = made().map(PyErr::from_value).or_else(|failed| {
        // A signal came during the call, and its handler raises in the first line of Python after it.
        let raised = PyErr::from_value(made()?);
        raised.set_cause(py, Some(failed));
        Ok(raised)
    });
    raised.unwrap_or_else(|failed| failed)
}

/// What a call of the crate returned, or its error as an exception.
pub fn or_raise<T>(py: Python<'_>, result: Result<T, impl Serialize>) -> PyResult<T> {
    result.map_err(|error| exception(py, &error))
}

/// The exception in a field of a value.
pub fn instance<'py>(py: Python<'py>, error: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let fields = plain(py, serde_json::to_string(error).map_err(not_json)?)?;
    py.import("cuda_primary_context.errors")?.getattr("_from_dict")?.call1((fields,))
}
