//! Whole numbers as arguments: one that does not fit is a `ValueError`, never an `OverflowError`.

use std::num::NonZeroUsize;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyInt;

pub const BYTES: &str = "a number of bytes";

/// The number; `what` it should be, for the message.
pub fn number<'a, 'py, T>(object: &'a Bound<'py, PyAny>, what: &str) -> PyResult<T>
where
    T: FromPyObject<'a, 'py, Error = PyErr>,
{
    object.extract().map_err(|error| match object.is_instance_of::<PyInt>() {
        true => PyValueError::new_err(format!("{object} is not {what}.")),
        false => error,
    })
}

pub fn process_id(object: &Bound<'_, PyAny>) -> PyResult<u32> {
    number(object, "a process id. Process ids are 1 to 4194304")
}

/// How many processes at once; all if there is none.
pub fn processes_at_once(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<usize>> {
    let what = "a number of processes for at_once, which is 1 or more";
    object.map(|object| number(object, what).map(NonZeroUsize::get)).transpose()
}

/// A lock's limit.
pub fn limit(seconds: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let limit = match seconds.extract() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) if seconds.is_instance_of::<PyInt>() => None,
        Err(error) => return Err(error),
    };
    limit.ok_or_else(|| {
        let message = format!("timeout is not {seconds} s: it is 0 or more, and finite.");
        PyValueError::new_err(message)
    })
}
