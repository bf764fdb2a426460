//! The driver, its devices, and the contexts that this process has on them.

use std::sync::OnceLock;

use cuda_primary_context::{Driver as Loaded, Error, fork};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde_json::{Value as Json, json};

use crate::device::Named;
use crate::error::or_raise;
use crate::value::{Context, Driver, Fields, Holder, NamedDevice, Value, tuple_of};

/// The driver. It is looked for a single time: finding a loaded one again takes the loader's lock.
pub fn load() -> Result<Loaded, Error> {
    static LOADED: OnceLock<Loaded> = OnceLock::new();

    match LOADED.get() {
        Some(driver) if !fork::forked_after_init() => Ok(*driver),
        _ => Loaded::load().map(|driver| *LOADED.get_or_init(|| driver)),
    }
}

/// The driver's path and version.
#[pyfunction]
pub fn driver(py: Python<'_>) -> PyResult<Driver> {
    let driver = or_raise(py, py.detach(load))?;
    Ok(Driver::new(Fields::of(&driver, String::new(), Vec::new())?))
}

/// Every device with its name; what the driver does not return is `None`.
#[pyfunction]
pub fn devices(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let devices = py.detach(|| {
        let devices = load()?.devices().map(|device| {
            // Read for the JSON object, which makes no driver call.
            let _ = (device.uuid(), device.pci_bus_id());
            let mut object = json!(device);
            object["name"] = device.name().map_or(Json::Null, Json::from);
            object
        });
        Ok::<_, Error>(devices.collect::<Vec<_>>())
    });
    tuple_of::<NamedDevice>(py, &or_raise(py, devices)?, &[])
}

/// The active primary contexts, and those whose state could not be read.
#[pyfunction]
pub fn contexts(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let found = py.detach(|| {
        let all = load()?.primary_contexts();
        let found = all.filter(|(_, state)| state.as_ref().map_or(true, |state| state.active));
        Ok::<_, Error>(found.collect::<Vec<_>>())
    });
    let contexts = or_raise(py, found)?.into_iter().map(|(device, state)| {
        let uuid = device.uuid().ok();
        let object = match state {
            Ok(state) => json!({
                "ordinal": device.ordinal(),
                "uuid": uuid,
                "active": state.active,
                "flags": state.flags.0,
            }),
            Err(error) => json!({ "ordinal": device.ordinal(), "uuid": uuid, "error": error }),
        };
        Bound::new(py, Context::new(Fields::of(&object, String::new(), Vec::new())?))
    });
    PyTuple::new(py, contexts.collect::<PyResult<Vec<_>>>()?)
}

/// Which libraries hold a device's context; `None` if `cuda-contexts trace` did not start the program.
#[pyfunction]
pub fn holders(py: Python<'_>, device: Named) -> PyResult<Bound<'_, PyAny>> {
    let holders = py.detach(|| Ok::<_, Error>(device.find(load()?)?.holders()));
    match or_raise(py, holders)? {
        Some(holders) => {
            let holders: Vec<Json> = holders.iter().map(|holder| json!(holder)).collect();
            tuple_of::<Holder>(py, &holders, &[])
        }
        None => Ok(py.None().into_bound(py)),
    }
}

/// How many references were given up on.
#[pyfunction]
pub fn unreleased(py: Python<'_>) -> PyResult<u64> {
    let driver = or_raise(py, py.detach(load))?;
    Ok(driver.unreleased())
}
