//! The reference on the kept device.

use std::mem;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use cuda_primary_context::{self as crate_, Error, PrimaryContext, ReleaseError};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::error::exception;
use crate::report::Report;
use crate::value::Value;

/// The kept device's reference.
#[derive(Debug, Default)]
enum Reference {
    Held(PrimaryContext),
    /// The driver refused the release. Dropping this gives up on it, without a second release.
    Refused(ReleaseError),
    /// Another thread is releasing it.
    BeingReleased,
    #[default]
    Released,
}

/// One reference on the kept device's context, and the report on the others.
///
/// It is released by `release`, at the end of a `with` block, or when the guard is garbage. The contexts that were
/// released on other devices stay released.
#[pyclass(frozen, module = "cuda_primary_context")]
#[derive(Debug)]
pub struct PrimaryContextGuard {
    /// Locked for a moment only, and never during a driver call: it is never locked at a fork.
    reference: Mutex<Reference>,
    ordinal: u32,
    made: crate_::Report,
    report: OnceLock<Py<Report>>,
}

impl PrimaryContextGuard {
    pub fn new(guard: crate_::PrimaryContextGuard) -> Self {
        let (context, made) = guard.into_parts();
        let ordinal = context.device().ordinal();
        let reference = Mutex::new(Reference::Held(context));
        Self { reference, ordinal, made, report: OnceLock::new() }
    }

    pub fn made(&self) -> &crate_::Report {
        &self.made
    }

    fn lock(&self) -> MutexGuard<'_, Reference> {
        self.reference.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PrimaryContextGuard {
    #[getter]
    fn report(&self, py: Python<'_>) -> PyResult<Py<Report>> {
        if let Some(report) = self.report.get() {
            return Ok(report.clone_ref(py));
        }
        let report = Py::new(py, Report::made_here(self.made.clone()))?;
        Ok(self.report.get_or_init(|| report).clone_ref(py))
    }

    #[getter]
    fn device<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report(py)?.get().fields().get(py, "kept")
    }

    #[getter]
    fn released(&self) -> bool {
        matches!(*self.lock(), Reference::Released)
    }

    /// Releases the reference now. Does nothing if it was released.
    ///
    /// If the driver refuses, the error is raised and the guard still holds the reference: call this again, or
    /// give up on it by dropping the guard, which does not release a second time.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        let reference = mem::replace(&mut *self.lock(), Reference::BeingReleased);
        let (now, error) = match reference {
            Reference::BeingReleased => {
                return Err(PyRuntimeError::new_err("Another thread is releasing this guard."));
            }
            Reference::Released => (Reference::Released, None),
            Reference::Held(context) => py.detach(|| release(context)),
            Reference::Refused(refused) => py.detach(|| match refused.into_parts() {
                (_, Some(context)) => release(context),
                (error, None) => (Reference::Released, Some(error)),
            }),
        };
        *self.lock() = now;
        error.map_or(Ok(()), |error| Err(exception(py, &error)))
    }

    /// Raises RuntimeError if the guard is released.
    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        match slf.get().released() {
            true => Err(PyRuntimeError::new_err(
                "This guard is released: it holds no device. Call retain_only again.",
            )),
            false => Ok(slf),
        }
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        self.release(py)
    }

    fn __repr__(&self) -> String {
        let released = if self.released() { ", released" } else { "" };
        format!("<PrimaryContextGuard of device {}{released}>", self.ordinal)
    }
}

fn release(context: PrimaryContext) -> (Reference, Option<Error>) {
    match context.release() {
        Ok(()) => (Reference::Released, None),
        Err(refused) => {
            let error = refused.error().clone();
            match refused.handle() {
                Some(_) => (Reference::Refused(refused), Some(error)),
                None => (Reference::Released, Some(error)),
            }
        }
    }
}

/// Other threads may run meanwhile: the last release of a context takes tens of milliseconds.
impl Drop for PrimaryContextGuard {
    fn drop(&mut self) {
        let mut reference = Some(mem::take(&mut *self.lock()));
        if matches!(reference, Some(Reference::Released)) {
            return;
        }
        // At the end of the interpreter there is no other thread, and the reference is dropped all the same.
        Python::try_attach(|py| py.detach(|| drop(reference.take())));
    }
}
