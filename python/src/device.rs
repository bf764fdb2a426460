//! Which device an argument names.

use cuda_primary_context::{Device, Driver, Error, Uuid};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::exception;

/// An ordinal, or a text: a unique id or a PCI address.
#[derive(Debug, FromPyObject)]
pub enum Named {
    Ordinal(u32),
    Text(String),
}

/// Why there is no such device.
pub enum NotFound {
    /// The text is no unique id, though it begins like one.
    Text(String),
    Driver(Error),
}

impl Named {
    pub fn find(&self, driver: Driver) -> Result<Device, NotFound> {
        match self {
            Self::Ordinal(ordinal) => driver.device(*ordinal).map_err(NotFound::Driver),
            Self::Text(text) if text.starts_with("GPU-") || text.starts_with("MIG-") => {
                let uuid: Uuid = text.parse().map_err(NotFound::text)?;
                driver.device_by_uuid(uuid).map_err(NotFound::Driver)
            }
            Self::Text(address) => driver.device_by_pci_bus_id(address).map_err(NotFound::Driver),
        }
    }
}

/// Each of the devices.
pub fn find_all(driver: Driver, named: &[Named]) -> Result<Vec<Device>, NotFound> {
    named.iter().map(|named| named.find(driver)).collect()
}

/// A unique id as NVIDIA's tools write it.
pub fn uuid(text: &str) -> PyResult<Uuid> {
    text.parse().map_err(|error: cuda_primary_context::ParseUuidError| {
        PyValueError::new_err(error.to_string())
    })
}

impl NotFound {
    fn text(error: impl std::fmt::Display) -> Self {
        Self::Text(error.to_string())
    }

    pub fn exception(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Text(message) => PyValueError::new_err(message),
            Self::Driver(error) => exception(py, &error),
        }
    }
}

impl From<Error> for NotFound {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}
