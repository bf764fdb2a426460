//! The headline: the guard, the dry run, and a release that retains nothing.

use std::fmt;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cuda_primary_context::{
    Driver, Error, PrimaryContext, PrimaryContextGuard, ReleaseError, Report, StrayRelease,
};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::device::{Named, NotFound, find_all};
use crate::error::{exception, json};

/// A report as JSON, as a table, and the text of each device's line.
type Told = (String, String, Vec<String>);

fn tell(report: &Report) -> PyResult<Told> {
    let lines = report.devices().map(|line| line.to_string()).collect();
    Ok((json(report)?, report.to_string(), lines))
}

/// The kept device's reference.
#[derive(Default)]
enum Reference {
    Held(PrimaryContext),
    /// The driver would not take it back. Dropping this gives up on it, without a second release.
    Refused(ReleaseError),
    /// A release is under way in another thread.
    BeingReleased,
    #[default]
    Released,
}

/// One reference on the kept device; it goes with the last Python object that holds this.
#[pyclass(frozen, module = "cuda_primary_context._native")]
pub struct Guard {
    /// Locked for a moment alone, and never during a driver call: so it is never locked at a fork.
    reference: Mutex<Reference>,
}

impl Guard {
    fn lock(&self) -> MutexGuard<'_, Reference> {
        self.reference.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Guard {
    /// Whether the reference was given back.
    #[getter]
    fn released(&self) -> bool {
        matches!(*self.lock(), Reference::Released)
    }

    /// Gives the reference back; does nothing where it was.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        let reference = mem::replace(&mut *self.lock(), Reference::BeingReleased);
        let (now, error) = match reference {
            Reference::BeingReleased => {
                return Err(PyRuntimeError::new_err("another thread is releasing this guard"));
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

/// Others may run meanwhile: the last release takes its time.
impl Drop for Guard {
    fn drop(&mut self) {
        let mut reference = Some(mem::take(&mut *self.lock()));
        // Where Python is at its end, there is nobody to make room for.
        Python::try_attach(|py| py.detach(|| drop(reference.take())));
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// Retains a device and releases the strays on all others but the kept ones.
#[pyfunction]
pub fn retain_only(py: Python<'_>, device: Named, keep: Vec<Named>) -> PyResult<(Guard, Told)> {
    let guard = py.detach(|| {
        let driver = Driver::load()?;
        let policy = StrayRelease::new().keep(find_all(driver, &keep)?);
        let guard = PrimaryContextGuard::retain_only_with(device.find(driver)?, &policy)?;
        Ok(guard)
    });
    let guard = guard.map_err(|error: NotFound| error.exception(py))?;
    let (context, report) = guard.into_parts();
    let guard = Guard { reference: Mutex::new(Reference::Held(context)) };
    Ok((guard, py.detach(|| tell(&report))?))
}

/// Releases the stray contexts on all devices but the kept ones, and retains nothing.
#[pyfunction]
pub fn release_strays(py: Python<'_>, keep: Vec<Named>) -> PyResult<Told> {
    let report = py.detach(|| {
        let driver = Driver::load()?;
        Ok(StrayRelease::new().keep(find_all(driver, &keep)?).run(driver)?)
    });
    let report = report.map_err(|error: NotFound| error.exception(py))?;
    py.detach(|| tell(&report))
}

/// The dry run of both, as JSON and as a table.
#[pyfunction]
pub fn plan(py: Python<'_>, device: Option<Named>, keep: Vec<Named>) -> PyResult<(String, String)> {
    let plan = py.detach(|| {
        let driver = Driver::load()?;
        let policy = StrayRelease::new().keep(find_all(driver, &keep)?);
        Ok(match device {
            Some(device) => policy.plan(device.find(driver)?)?,
            None => policy.plan_run(driver)?,
        })
    });
    let plan = plan.map_err(|error: NotFound| error.exception(py))?;
    py.detach(|| Ok((json(&plan)?, plan.to_string())))
}
