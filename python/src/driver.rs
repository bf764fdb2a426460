//! The driver, its devices, and the contexts that this process has on them.

use cuda_primary_context::{Driver, Error};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::device::{Named, NotFound};
use crate::error::{self, answer};

/// The driver's path and version.
#[pyfunction]
pub fn driver(py: Python<'_>) -> PyResult<String> {
    let driver = answer(py, py.detach(Driver::load))?;
    error::json(&driver)
}

/// Every device with its name; what the driver does not tell is null.
#[pyfunction]
pub fn devices(py: Python<'_>) -> PyResult<String> {
    let devices = py.detach(|| {
        let devices = Driver::load()?.devices();
        let devices = devices.map(|device| {
            let mut object = json!(device);
            object["name"] = device.name().map_or(Value::Null, Value::from);
            object
        });
        Ok::<_, Error>(devices.collect::<Vec<_>>())
    });
    error::json(&answer(py, devices)?)
}

/// The state of every device's primary context.
#[pyfunction]
pub fn contexts(py: Python<'_>) -> PyResult<String> {
    let contexts = py.detach(|| Ok::<_, Error>(json!(Driver::load()?.primary_contexts())));
    error::json(&answer(py, contexts)?)
}

/// Who holds a device's context, where the program was started by `cuda-contexts`.
#[pyfunction]
pub fn holders(py: Python<'_>, device: Named) -> PyResult<String> {
    let device = py.detach(|| device.find(Driver::load()?));
    let device = device.map_err(|error: NotFound| error.exception(py))?;
    error::json(&py.detach(|| device.holders().unwrap_or_default()))
}

/// How many references were given up on.
#[pyfunction]
pub fn unreleased(py: Python<'_>) -> PyResult<u64> {
    let driver = answer(py, py.detach(Driver::load))?;
    Ok(driver.unreleased())
}
