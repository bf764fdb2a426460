//! The driver, its devices, and the contexts that this process has on them.

use std::sync::OnceLock;

use cuda_primary_context::{Driver as Loaded, Error, fork};
use pyo3::prelude::*;
use serde_json::{Value as Json, json};

use crate::device::Named;
use crate::error::or_raise;
use crate::value::{Context, Device, Driver, Holder, object_of, tuple_of};

/// The driver. It is looked for a single time: finding a loaded one again takes the loader's lock.
pub fn load() -> Result<Loaded, Error> {
    static LOADED: OnceLock<Loaded> = OnceLock::new();

    match LOADED.get() {
        Some(driver) if !fork::forked_after_init() => Ok(*driver),
        _ => Loaded::load().map(|driver| *LOADED.get_or_init(|| driver)),
    }
}

/// Loads and initialises the driver, and returns which one it is.
#[pyfunction]
pub fn driver(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    object_of::<Driver>(py, &or_raise(py, py.detach(load))?)
}

/// Returns every device that the driver shows this process; what it does not return is None. Creates no context.
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
    tuple_of::<Device>(py, or_raise(py, devices)?)
}

/// Returns the active primary contexts of this process, and those whose state could not be read. Initialises CUDA
/// in this process if nobody has. Creates no context and changes none.
#[pyfunction]
pub fn contexts(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let found = py.detach(|| {
        let all = load()?.primary_contexts();
        let found = all.filter(|(_, state)| state.as_ref().map_or(true, |state| state.active));
        let found = found.map(|(device, state)| {
            let (ordinal, uuid) = (device.ordinal(), device.uuid().ok());
            match state {
                Ok(state) => json!({
                    "ordinal": ordinal,
                    "uuid": uuid,
                    "active": state.active,
                    "flags": state.flags.0,
                }),
                Err(error) => json!({ "ordinal": ordinal, "uuid": uuid, "error": error }),
            }
        });
        Ok::<_, Error>(found.collect::<Vec<_>>())
    });
    tuple_of::<Context>(py, or_raise(py, found)?)
}

/// Returns the libraries that hold the device's context, the longest holder first; None if `cuda-contexts trace`
/// did not start the program.
#[pyfunction]
pub fn holders(py: Python<'_>, device: Named) -> PyResult<Bound<'_, PyAny>> {
    let holders = py.detach(|| Ok::<_, Error>(device.find(load()?)?.holders()));
    match or_raise(py, holders)? {
        Some(holders) => tuple_of::<Holder>(py, holders),
        None => Ok(py.None().into_bound(py)),
    }
}

/// Returns how many references were given up on, because the driver refused their release.
#[pyfunction]
pub fn unreleased(py: Python<'_>) -> PyResult<u64> {
    let driver = or_raise(py, py.detach(load))?;
    Ok(driver.unreleased())
}
