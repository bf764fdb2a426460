//! One process, as far as its controller is concerned, and what a controller asks about processes.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cuda_primary_context::checkpoint::nvml::{self, DeviceMemory};
use cuda_primary_context::checkpoint::{
    CheckpointError, Found, Process, Room, StepError, machine_gpus as gpus_of_machine,
    tree as tree_of,
};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::checkpoint::restore::{Map, RoomOnDevice, gpu_map, room};
use crate::device::uuid;
use crate::error::{answer, exception, json};

/// A process, by what its controller holds of it. Where it is locked, it is unlocked with the last Python
/// object that holds this.
#[pyclass(frozen, module = "cuda_primary_context._native")]
pub struct Controller {
    #[pyo3(get)]
    pid: u32,
    /// The process for questions alone: what is held is not taken for them, for another thread may be at
    /// the end of a block. Where it had ended by then, why.
    asking: Result<Process, CheckpointError>,
    /// Empty during a step. Locked for a moment alone, so that it is never locked at a fork.
    found: Mutex<Option<Found>>,
}

/// What became of a step: the crate's types do not let one be taken out of order.
pub enum Taken {
    Now(Result<Found, StepError>),
    Not(Found),
}

impl Controller {
    pub fn holding(found: Found) -> Self {
        let pid = found.pid();
        Self { pid, asking: Process::open(pid), found: Mutex::new(Some(found)) }
    }

    /// Takes what is held, to put it back after a call.
    pub fn take(&self) -> PyResult<Found> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.take().ok_or_else(|| {
            let pid = self.pid;
            PyRuntimeError::new_err(format!("process {pid} is in another step, or in a group"))
        })
    }

    pub fn put_back(&self, now: Found) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn step(
        &self,
        py: Python<'_>,
        name: &str,
        step: impl FnOnce(Found) -> Taken + Send,
    ) -> PyResult<()> {
        let found = self.take()?;
        match py.detach(|| step(found)) {
            Taken::Now(Ok(now)) => {
                self.put_back(now);
                Ok(())
            }
            Taken::Now(Err(error)) => {
                let raised = exception(py, &error);
                self.put_back(error.into_parts().1);
                Err(raised)
            }
            Taken::Not(found) => {
                let message = format!(
                    "process {} cannot {name} here: to this controller it is {}",
                    self.pid,
                    kind(&found)
                );
                self.put_back(found);
                Err(PyValueError::new_err(message))
            }
        }
    }
}

/// What is held.
pub fn kind(found: &Found) -> &'static str {
    match found {
        Found::Locked(_) => "locked",
        Found::Checkpointed(_) => "checkpointed",
        // Running, or in a state that is nobody's here.
        _ => "not locked",
    }
}

#[pymethods]
impl Controller {
    #[new]
    fn open(py: Python<'_>, pid: u32) -> PyResult<Self> {
        let process = answer(py, py.detach(|| Process::open(pid)))?;
        Ok(Self::holding(Found::Running(process)))
    }

    /// What is held, as far as this controller knows.
    #[getter]
    fn holds(&self) -> &'static str {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.as_ref().map_or("nothing", kind)
    }

    /// Where the process stands, as the driver says.
    fn state(&self, py: Python<'_>) -> PyResult<String> {
        match &self.asking {
            Ok(process) => answer(py, py.detach(|| process.state())).map(|state| state.to_string()),
            Err(error) => Err(exception(py, error)),
        }
    }

    /// Asks the driver, and holds the process as it is: the controller before may have died.
    fn take_up(&self, py: Python<'_>) -> PyResult<()> {
        let found = self.take()?;
        let found = py.detach(|| match found {
            Found::Running(process) | Found::Other(process, _) | Found::Unknown(process, _) => {
                process.take_up()
            }
            held => held,
        });
        match found {
            Found::Unknown(process, error) => {
                let raised = exception(py, &error);
                self.put_back(Found::Unknown(process, error));
                Err(raised)
            }
            found => {
                self.put_back(found);
                Ok(())
            }
        }
    }

    /// Without a limit where there are no seconds.
    fn lock(&self, py: Python<'_>, seconds: Option<f64>) -> PyResult<()> {
        let limit = seconds.map(limit).transpose()?;
        self.step(py, "lock", |found| match found {
            Found::Running(process) | Found::Other(process, _) | Found::Unknown(process, _) => {
                let locked = match limit {
                    Some(limit) => process.lock(limit),
                    None => process.lock_without_limit(),
                };
                Taken::Now(locked.map(Found::Locked))
            }
            found => Taken::Not(found),
        })
    }

    fn checkpoint(&self, py: Python<'_>) -> PyResult<()> {
        self.step(py, "checkpoint", |found| match found {
            Found::Locked(locked) => Taken::Now(locked.checkpoint().map(Found::Checkpointed)),
            found => Taken::Not(found),
        })
    }

    fn restore(
        &self,
        py: Python<'_>,
        map: Option<Map>,
        devices: Option<Vec<RoomOnDevice>>,
    ) -> PyResult<()> {
        let map = gpu_map(py, map)?;
        let room = room(devices)?;
        self.step(py, "restore", |found| match found {
            Found::Checkpointed(process) => {
                Taken::Now(process.restore(&map, &room).map(Found::Locked))
            }
            found => Taken::Not(found),
        })
    }

    fn unlock(&self, py: Python<'_>) -> PyResult<()> {
        self.step(py, "unlock", |found| match found {
            Found::Locked(locked) => Taken::Now(locked.unlock().map(Found::Running)),
            found => Taken::Not(found),
        })
    }
}

/// A lock's limit.
pub fn limit(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| PyValueError::new_err(format!("a limit of {seconds} s: {error}")))
}

/// Dropping a locked process unlocks it, which others need not wait for.
impl Drop for Controller {
    fn drop(&mut self) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        Python::try_attach(|py| py.detach(|| drop(found.take())));
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Controller").field(&self.pid).finish()
    }
}

/// A process and its descendants.
#[pyfunction]
pub fn tree(py: Python<'_>, pid: u32) -> PyResult<String> {
    json(&py.detach(|| tree_of(pid))?)
}

/// The unique id of every GPU that the kernel driver shows.
#[pyfunction]
pub fn machine_gpus(py: Python<'_>) -> PyResult<Vec<String>> {
    let ids = py.detach(gpus_of_machine)?;
    Ok(ids.iter().map(ToString::to_string).collect())
}

/// The bytes that a process has on each device, as NVML tells.
#[pyfunction]
pub fn memory_of(py: Python<'_>, pid: u32) -> PyResult<Vec<(String, u64)>> {
    let memory = answer(py, py.detach(|| nvml::memory_of(pid)))?;
    Ok(memory.iter().map(|on| (on.device.to_string(), on.bytes)).collect())
}

/// What is needed and what is free on each device where the map brings a process, as NVML tells.
#[pyfunction]
pub fn device_room(
    py: Python<'_>,
    needed: Vec<(String, u64)>,
    map: Option<Map>,
) -> PyResult<Vec<RoomOnDevice>> {
    let map = gpu_map(py, map)?;
    let memory =
        |(device, bytes): (String, u64)| Ok(DeviceMemory { device: uuid(&device)?, bytes });
    let needed = needed.into_iter().map(memory).collect::<PyResult<Vec<_>>>()?;
    let Room::Looked(devices) = answer(py, py.detach(|| nvml::room(needed, &map)))? else {
        unreachable!("NVML tells numbers");
    };
    Ok(devices.iter().map(|on| (on.device.to_string(), on.needed, on.free)).collect())
}
