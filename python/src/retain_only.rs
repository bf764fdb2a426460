//! Keep one device, release the strays on the others.

use cuda_primary_context::{self as crate_, Device, Driver, StrayRelease};
use pyo3::prelude::*;

use crate::device::{Named, NotFound, Several, find_all};
use crate::driver::load;
use crate::guard::PrimaryContextGuard;
use crate::log;
use crate::report::Report;
use crate::value::{Fields, Plan, Value};

/// Retains a device and releases the strays on all others but the kept ones.
#[pyfunction]
#[pyo3(signature = (device, *, keep = Several::none()), text_signature = "(device, *, keep=())")]
pub fn retain_only(
    py: Python<'_>,
    device: Named,
    keep: Several,
) -> PyResult<Py<PrimaryContextGuard>> {
    let guard = py.detach(|| {
        let driver = load()?;
        let policy = policy(driver, &keep)?;
        Ok(crate_::PrimaryContextGuard::retain_only_with(device.find(driver)?, &policy)?)
    });
    let guard = guard.map_err(|error: NotFound| error.exception(py))?;
    let guard = Py::new(py, PrimaryContextGuard::new(guard))?;
    log::run(py, guard.get().made())?;
    Ok(guard)
}

/// Releases the strays on all devices but the kept ones, and retains nothing.
#[pyfunction]
#[pyo3(signature = (*, keep = Several::none()), text_signature = "(*, keep=())")]
pub fn release_strays(py: Python<'_>, keep: Several) -> PyResult<Report> {
    let report = py.detach(|| {
        let driver = load()?;
        Ok(policy(driver, &keep)?.run(driver)?)
    });
    let report = report.map_err(|error: NotFound| error.exception(py))?;
    log::run(py, &report)?;
    Ok(Report::made_here(report))
}

/// The dry run of both.
#[pyfunction]
#[pyo3(
    signature = (device = None, *, keep = Several::none()),
    text_signature = "(device=None, *, keep=())"
)]
pub fn plan(py: Python<'_>, device: Option<Named>, keep: Several) -> PyResult<Plan> {
    let plan = py.detach(|| {
        let driver = load()?;
        let policy = policy(driver, &keep)?;
        Ok(match device {
            Some(device) => policy.plan(device.find(driver)?)?,
            None => policy.plan_run(driver)?,
        })
    });
    let plan = plan.map_err(|error: NotFound| error.exception(py))?;
    Ok(Plan::new(Fields::of(&plan, plan.to_string(), Vec::new())?))
}

fn policy(driver: Driver, keep: &Several) -> Result<StrayRelease, NotFound> {
    let kept: Vec<Device> = find_all(driver, keep)?;
    Ok(StrayRelease::new().keep(kept))
}
