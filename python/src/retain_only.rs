//! Keep one device, release the strays on the others.

use cuda_primary_context::{self as crate_, Driver, Error, StrayRelease};
use pyo3::prelude::*;

use crate::device::{Named, Several};
use crate::driver::load;
use crate::error::or_raise;
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
        crate_::PrimaryContextGuard::retain_only_with(device.find(driver)?, &policy)
    });
    let guard = Py::new(py, PrimaryContextGuard::new(or_raise(py, guard)?))?;
    log::run(py, guard.get().made())?;
    Ok(guard)
}

/// Releases the strays on all devices but the kept ones, and retains nothing.
#[pyfunction]
#[pyo3(signature = (*, keep = Several::none()), text_signature = "(*, keep=())")]
pub fn release_strays(py: Python<'_>, keep: Several) -> PyResult<Report> {
    let report = py.detach(|| {
        let driver = load()?;
        policy(driver, &keep)?.run(driver)
    });
    let report = or_raise(py, report)?;
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
        match device {
            Some(device) => policy.plan(device.find(driver)?),
            None => policy.plan_run(driver),
        }
    });
    let plan = or_raise(py, plan)?;
    Ok(Plan::new(Fields::of(&plan, plan.to_string(), Vec::new())?))
}

fn policy(driver: Driver, keep: &Several) -> Result<StrayRelease, Error> {
    Ok(StrayRelease::new().keep(keep.find(driver)?))
}
