//! Which device an argument names.

use cuda_primary_context::{Device, Driver, Error, Uuid};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyList, PyString};

const FORMS: &str = "A device is an ordinal (1), \"cuda:1\", a torch.device with an index, a unique id \
                     (\"GPU-…\", \"MIG-…\") or a PCI address (\"0000:3B:00.0\")";

/// A device as Python names it.
#[derive(Debug, Clone)]
pub enum Named {
    Ordinal(u32),
    Uuid(Uuid),
    PciBusId(String),
}

/// Several of them.
#[derive(Debug, Clone, Default)]
pub struct Several(Vec<Named>);

impl<'py> FromPyObject<'_, 'py> for Named {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_exact_instance_of::<PyInt>() {
            return ordinal(&object);
        }
        if let Ok(text) = object.cast::<PyString>() {
            return Self::parse(&text.extract::<String>()?);
        }
        if object.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err(format!("{FORMS}, not {object:?}.")));
        }
        if object.hasattr("__index__")? {
            return ordinal(&object);
        }
        let Ok(index) = object.getattr("index") else {
            return Err(PyTypeError::new_err(format!("{FORMS}, not {object:?}.")));
        };
        let kind = object.getattr("type").and_then(|kind| kind.extract::<String>());
        if kind.is_ok_and(|kind| kind != "cuda") {
            return Err(PyValueError::new_err(format!("{object:?} is no CUDA device. {FORMS}.")));
        }
        if index.is_none() {
            return Err(without_index(&format!("{object:?}")));
        }
        match index.hasattr("__index__")? {
            true => ordinal(&index),
            false => Err(PyTypeError::new_err(format!("{FORMS}, not {object:?}."))),
        }
    }
}

impl Named {
    fn parse(text: &str) -> PyResult<Self> {
        let refused = || PyValueError::new_err(format!("{text:?} names no device. {FORMS}."));
        if text == "cuda" {
            return Err(without_index("\"cuda\""));
        }
        if let Some(index) = text.strip_prefix("cuda:") {
            let plain = index.bytes().all(|byte| byte.is_ascii_digit());
            return index.parse().ok().filter(|_| plain).map(Self::Ordinal).ok_or_else(refused);
        }
        if text.starts_with("GPU-") || text.starts_with("MIG-") {
            return uuid(text).map(Self::Uuid);
        }
        let is_an_address = text.contains(':')
            && text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
        match is_an_address {
            true => Ok(Self::PciBusId(text.to_owned())),
            false => Err(refused()),
        }
    }

    pub fn find(&self, driver: Driver) -> Result<Device, Error> {
        match self {
            Self::Ordinal(ordinal) => driver.device(*ordinal),
            Self::Uuid(uuid) => driver.device_by_uuid(*uuid),
            Self::PciBusId(address) => driver.device_by_pci_bus_id(address),
        }
    }
}

fn ordinal(object: &Bound<'_, PyAny>) -> PyResult<Named> {
    object.extract().map(Named::Ordinal).map_err(|_| {
        PyValueError::new_err(format!("{object:?} is no ordinal: ordinals begin at 0. {FORMS}."))
    })
}

fn without_index(device: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{device} does not say which device it is. Write \"cuda:1\", or pass torch.cuda.current_device()."
    ))
}

impl Several {
    pub fn find(&self, driver: Driver) -> Result<Vec<Device>, Error> {
        self.0.iter().map(|named| named.find(driver)).collect()
    }
}

impl<'py> FromPyObject<'_, 'py> for Several {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let one = || {
            PyTypeError::new_err(format!("keep takes several devices: write keep=[{object:?}]."))
        };
        // The usual case: looking for __index__ and making an iterator would take a microsecond.
        if let Ok(list) = object.cast::<PyList>() {
            return list.iter().map(|device| device.extract()).collect::<PyResult<_>>().map(Self);
        }
        if object.is_instance_of::<PyString>() || object.hasattr("__index__")? {
            return Err(one());
        }
        let devices = object.try_iter().map_err(|_| one())?;
        devices.map(|device| device?.extract()).collect::<PyResult<_>>().map(Self)
    }
}

/// A unique id as NVIDIA's tools write it.
pub fn uuid(text: &str) -> PyResult<Uuid> {
    text.parse().map_err(|error: cuda_primary_context::ParseUuidError| {
        PyValueError::new_err(error.to_string())
    })
}
