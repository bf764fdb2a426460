//! What a run did. Nothing is made of it before an attribute is read.

use std::sync::OnceLock;

use cuda_primary_context::{self as crate_, Device};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error::{exception, or_raise};
use crate::value::{Fields, Value, calls_of, methods};

/// What `retain_only` or `release_strays` did.
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
    const FIELDS: &'static [&'static str] =
        &["driver", "kept", "current_context_switched", "current_context", "devices"];

    fn new(fields: Fields) -> Self {
        Self { made_here: None, fields: fields.into() }
    }

    fn repr(&self, py: Python<'_>, class: &str) -> PyResult<String> {
        Ok(format!("<{class} {}>", self.fields().get(py, "summary")?))
    }

    fn fields(&self) -> &Fields {
        self.fields.get_or_init(|| {
            let Some(report) = &self.made_here else { return Fields::default() };
            let lines = report.devices().map(|line| line.to_string()).collect();
            // A report always serialises as an object.
            Fields::of(report, report.to_string(), lines).unwrap_or_default()
        })
    }
}

methods!(Report { driver, kept, current_context_switched, current_context, devices, summary } {
    /// Every driver call, device by device.
    #[getter]
    fn calls<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let devices = self.fields().list("devices").iter();
        let calls = devices.filter_map(|device| device["calls"].as_array()).flatten();
        calls_of(py, &calls.cloned().collect::<Vec<_>>())
    }

    /// Raises the first failure of any kind, for callers who want all or nothing.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let fields = self.fields();
        let mut errors = fields.list("devices").iter().chain(fields.part("current_context"));
        match errors.find_map(|part| part["error"].is_object().then(|| &part["error"])) {
            Some(error) => Err(exception(py, error)),
            None => Ok(()),
        }
    }

    /// The ordinals of the devices that this run released and whose context is active again.
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
