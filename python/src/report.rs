//! What a run did. Nothing is made of it before an attribute is read.

use std::sync::OnceLock;

use cuda_primary_context::{self as crate_, Device};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error::{exception, or_raise};
use crate::value::{Call, Fields, Value, methods, tuple_of};

/// What `retain_only` or `release_strays` did. Printed, it is a summary and a table.
#[pyclass(frozen, module = "cuda_primary_context")]
#[derive(Debug)]
pub struct Report {
    /// `None` in a report that was unpickled.
    made_here: Option<crate_::Report>,
    fields: OnceLock<Fields>,
}

impl Report {
    pub fn made_here(report: crate_::Report) -> Self {
        Self { made_here: Some(report), fields: OnceLock::new() }
    }
}

impl Value for Report {
    fn new(fields: Fields) -> Self {
        Self { made_here: None, fields: fields.into() }
    }

    fn fields(&self) -> &Fields {
        self.fields.get_or_init(|| {
            let Some(report) = &self.made_here else { return Fields::default() };
            let lines = report.devices().map(|line| line.to_string());
            let texts = std::iter::once(report.to_string()).chain(lines).collect();
            // A report always serialises as an object.
            Fields::of(report, texts).unwrap_or_default()
        })
    }
}

methods!(Report { driver, kept, current_context_switched, current_context, devices, summary } {
    /// Every driver call, device by device.
    #[getter]
    fn calls<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let devices = self.fields().list("devices").iter();
        let calls = devices.filter_map(|device| device["calls"].as_array()).flatten();
        tuple_of::<Call>(py, calls)
    }

    /// Raises the first failure of any kind, for callers who want all or nothing.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let fields = self.fields();
        let mut errors = fields.list("devices").iter().chain(fields.json.get("current_context"));
        match errors.find_map(|part| part["error"].is_object().then(|| &part["error"])) {
            Some(error) => Err(exception(py, error)),
            None => Ok(()),
        }
    }

    /// Returns the ordinals of the devices that this run released and whose context is active again.
    ///
    /// Releases nothing. A thread that still uses such a device creates its context again within milliseconds:
    /// select the right device in that thread.
    fn look_again<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let report = self.made_here.as_ref().ok_or_else(|| {
            PyValueError::new_err(
                "This report was unpickled: only the process that made it can look again.",
            )
        })?;
        let active = or_raise(py, py.detach(|| report.look_again()))?;
        PyTuple::new(py, active.into_iter().map(Device::ordinal))
    }
});
