//! Several processes at once.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use cuda_primary_context::checkpoint::{
    Checkpointed, Found, GroupError, Process, Suspended, suspend as suspend_all,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::checkpoint::controller::{Controller, kind, limit};
use crate::checkpoint::restore::{Map, RoomOnDevice, gpu_map, room};
use crate::error::{answer, exception, json};

/// Processes that are all checkpointed. They stay so, whatever becomes of this.
#[pyclass(frozen, module = "cuda_primary_context._native")]
pub struct SuspendedGroup {
    #[pyo3(get)]
    pids: Vec<u32>,
    /// What was done for each process, as JSON.
    #[pyo3(get)]
    reports: String,
    /// Empty once they were brought back.
    suspended: Mutex<Option<Suspended>>,
}

impl SuspendedGroup {
    fn of(suspended: Suspended) -> PyResult<Self> {
        let pids = suspended.processes().iter().map(Checkpointed::pid).collect();
        let reports = json(&suspended.reports())?;
        Ok(Self { pids, reports, suspended: Mutex::new(Some(suspended)) })
    }
}

#[pymethods]
impl SuspendedGroup {
    /// Whether there is anything to bring back.
    #[getter]
    fn is_suspended(&self) -> bool {
        self.suspended.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Brings all of them back: what was done for each, as JSON.
    fn resume(
        &self,
        py: Python<'_>,
        map: Option<Map>,
        devices: Option<Vec<RoomOnDevice>>,
    ) -> PyResult<String> {
        let map = gpu_map(py, map)?;
        let room = room(devices)?;
        let suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(suspended) = suspended else {
            return Err(PyValueError::new_err("the group was resumed"));
        };
        match py.detach(|| suspended.resume(&map, &room)) {
            Ok(resumed) => json(&resumed.reports()),
            Err(error) => {
                let (raised, found) = failed(py, error)?;
                // As the crate leaves them: all checkpointed again, or each as it was found.
                let all = found.iter().all(|found| matches!(found, Found::Checkpointed(_)));
                if all {
                    let again = found.into_iter().filter_map(|found| match found {
                        Found::Checkpointed(process) => Some(process),
                        _ => None,
                    });
                    let again = Some(Suspended::of(again));
                    *self.suspended.lock().unwrap_or_else(PoisonError::into_inner) = again;
                } else {
                    hand_over(py, &raised, found)?;
                }
                Err(raised)
            }
        }
    }
}

impl fmt::Debug for SuspendedGroup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SuspendedGroup").field(&self.pids).finish()
    }
}

/// Locks all processes, then checkpoints all.
#[pyfunction]
pub fn suspend(py: Python<'_>, pids: Vec<u32>, seconds: f64) -> PyResult<SuspendedGroup> {
    let limit = limit(seconds)?;
    let processes =
        py.detach(|| pids.into_iter().map(Process::open).collect::<Result<Vec<_>, _>>());
    let processes = answer(py, processes)?;
    match py.detach(|| suspend_all(processes, limit)) {
        Ok(suspended) => SuspendedGroup::of(suspended),
        Err(error) => {
            let (raised, found) = failed(py, error)?;
            hand_over(py, &raised, found)?;
            Err(raised)
        }
    }
}

/// Processes that were found checkpointed, as a group.
#[pyfunction]
pub fn suspended_group(controllers: Vec<Py<Controller>>) -> PyResult<SuspendedGroup> {
    let mut taken = Vec::new();
    let put_back = |taken: Vec<Checkpointed>| {
        for (controller, process) in controllers.iter().zip(taken) {
            controller.get().put_back(Found::Checkpointed(process));
        }
    };
    for controller in &controllers {
        match controller.get().take() {
            Ok(Found::Checkpointed(process)) => taken.push(process),
            Ok(other) => {
                let message =
                    format!("process {} is {} to this controller", other.pid(), kind(&other));
                controller.get().put_back(other);
                put_back(taken);
                return Err(PyValueError::new_err(message));
            }
            Err(error) => {
                put_back(taken);
                return Err(error);
            }
        }
    }
    SuspendedGroup::of(Suspended::of(taken))
}

/// The exception, with the process for which a step failed and what was done for each.
fn failed(py: Python<'_>, error: GroupError) -> PyResult<(PyErr, Vec<Found>)> {
    let raised = exception(py, error.error());
    let value = raised.value(py);
    if error.pid().is_some() {
        value.setattr("pid", error.pid())?;
    }
    value.setattr("_reports", json(&error.reports())?)?;
    Ok((raised, error.into_parts().1))
}

/// Gives the exception what every process is now. Another one than `CheckpointError` has no place for
/// it: what is locked is unlocked then.
fn hand_over(py: Python<'_>, raised: &PyErr, found: Vec<Found>) -> PyResult<()> {
    let errors = py.import("cuda_primary_context.errors")?;
    if !raised.value(py).is_instance(&errors.getattr("CheckpointError")?)? {
        py.detach(|| drop(found));
        return Ok(());
    }
    let controllers = found.into_iter().map(Controller::holding);
    let controllers = controllers.collect::<Vec<_>>();
    raised.value(py).setattr("_controllers", controllers)
}
