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

/// Retains this device's primary context and releases the strays on all other devices, once each. The devices in
/// `keep` are left alone. Returns a `PrimaryContextGuard`: keep it alive, because it releases the reference when it is
/// garbage.
///
/// `device` is an ordinal, `"cuda:1"`, a `torch.device` with an index, a unique id or a PCI address. `keep` is an
/// iterable of such devices.
///
/// Call it a single time, after the worker has selected its device and before other code uses another one. A
/// released reference may belong to another library. If it was the last one and that library still uses the
/// device, its data is lost or the process crashes: the README says what was measured.
///
/// Logs a line at INFO to the logger `cuda_primary_context`, and a warning with the next step for each device that
/// failed, is still active or was released from before.
#[pyfunction]
#[pyo3(signature = (device, *, keep = Several::default()), text_signature = "(device, *, keep=())")]
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

/// Releases the strays on all devices but those in `keep`, retains nothing and returns a `Report`. Otherwise as
/// `retain_only`.
#[pyfunction]
#[pyo3(signature = (*, keep = Several::default()), text_signature = "(*, keep=())")]
pub fn release_strays(py: Python<'_>, keep: Several) -> PyResult<Report> {
    let report = py.detach(|| {
        let driver = load()?;
        policy(driver, &keep)?.run(driver)
    });
    let report = or_raise(py, report)?;
    log::run(py, &report)?;
    Ok(Report::made_here(report))
}

/// Returns a `Plan` of what `retain_only(device, keep=keep)` would do now; without a device, what
/// `release_strays(keep=keep)` would. Changes nothing.
#[pyfunction]
#[pyo3(
    signature = (device = None, *, keep = Several::default()),
    text_signature = "(device=None, *, keep=())"
)]
pub fn plan(py: Python<'_>, device: Option<Named>, keep: Several) -> PyResult<Plan> {
    let plan = py.detach(|| {
        let driver = load()?;
        let policy = policy(driver, &keep)?;
        match device {
            Some(device) => policy.plan_retain_only(device.find(driver)?),
            None => policy.plan_run(driver),
        }
    });
    let plan = or_raise(py, plan)?;
    Ok(Plan::new(Fields::of(&plan, vec![plan.to_string()])?))
}

fn policy(driver: Driver, keep: &Several) -> Result<StrayRelease, Error> {
    Ok(StrayRelease::new().keep(keep.find(driver)?))
}
