//! A process in each of its states.

use std::sync::Arc;

use cuda_primary_context::checkpoint::{
    self as crate_, Checkpointed as CheckpointedProcess, Found, GpuMap,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::checkpoint::dropped_by_an_exception;
use crate::checkpoint::held::{Held, Lock, Taken, kind};
use crate::checkpoint::restore::{self, RoomArgument};
use crate::error::{exception, or_raise};
use crate::number::{limit, process_id};

/// A process that uses CUDA, as far as a controller is concerned.
///
/// The id is the one that this process sees: outside a container, that is the id that the worker has outside.
#[pyclass(frozen, module = "cuda_primary_context.checkpoint")]
#[derive(Debug)]
pub struct Process(Arc<Held>);

impl Process {
    pub fn new(held: Arc<Held>) -> Self {
        Self(held)
    }
}

#[pymethods]
impl Process {
    #[new]
    fn open(py: Python<'_>, pid: &Bound<'_, PyAny>) -> PyResult<Self> {
        let pid = process_id(pid)?;
        let process = or_raise(py, py.detach(|| crate_::Process::open(pid)))?;
        Ok(Self(Held::new(Found::Running(process))))
    }

    /// The process id.
    #[getter]
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Returns the state of the process, as the driver says: `running`, `locked`, `checkpointed`, `failed`,
    /// `checkpointing`, `restoring` or `unknown` with a number.
    fn state(&self, py: Python<'_>) -> PyResult<String> {
        self.0.state(py)
    }

    /// Takes the process up in its state: a controller may have died, and left it locked or checkpointed. It
    /// brings nothing back; `recover` does. A lock of a controller that lives is taken over, too.
    fn take_up(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let now = match self.0.take()? {
            Found::Running(process) | Found::Other(process, _) | Found::Unknown(process, _) => {
                py.detach(|| process.take_up())
            }
            held => held,
        };
        let error = match &now {
            Found::Unknown(_, error) => Some(exception(py, error)),
            _ => None,
        };
        self.0.put_back(now);
        error.map_or_else(|| self.0.object(py), Err)
    }

    /// Makes the process's CUDA calls wait, once those under way are done; within this many seconds, or with
    /// None however long it takes.
    #[pyo3(signature = (*, timeout))]
    fn lock(&self, py: Python<'_>, timeout: Option<Bound<'_, PyAny>>) -> PyResult<Locked> {
        let limit = timeout.as_ref().map(limit).transpose()?;
        let locked = Locked::new(self.0.clone());
        self.0.step(py, "lock", |found| match found {
            Found::Running(process) | Found::Other(process, _) | Found::Unknown(process, _) => {
                Taken::Now(match limit {
                    Some(limit) => process.lock(limit).map(Found::Locked),
                    None => process.lock_without_limit().map(Found::Locked),
                })
            }
            found => Taken::Not(found),
        })?;
        Ok(locked)
    }

    fn __repr__(&self) -> String {
        format!("<Process {}>", self.0.pid())
    }
}

/// A process whose CUDA calls wait. It is unlocked by `unlock`, at the end of a `with` block, or when the
/// last object that stands for the lock is garbage.
#[pyclass(frozen, module = "cuda_primary_context.checkpoint")]
#[derive(Debug)]
pub struct Locked {
    held: Arc<Held>,
    _lock: Arc<Lock>,
}

impl Locked {
    pub fn new(held: Arc<Held>) -> Self {
        Self { _lock: held.lock(), held }
    }
}

#[pymethods]
impl Locked {
    /// The process id.
    #[getter]
    fn pid(&self) -> u32 {
        self.held.pid()
    }

    /// Returns the state of the process, as the driver says.
    fn state(&self, py: Python<'_>) -> PyResult<String> {
        self.held.state(py)
    }

    /// Moves what the process has in GPU memory to host memory, and frees its devices. `room` is for the
    /// restore at the end of a `with` block.
    #[pyo3(signature = (*, room = RoomArgument::Trusted), text_signature = "($self, *, room='trusted')")]
    fn checkpoint(&self, py: Python<'_>, room: RoomArgument) -> PyResult<Checkpointed> {
        let checkpointed = Checkpointed::new(self.held.clone(), room);
        self.held.step(py, "checkpoint", |found| match found {
            Found::Locked(locked) => Taken::Now(locked.checkpoint().map(Found::Checkpointed)),
            found => Taken::Not(found),
        })?;
        Ok(checkpointed)
    }

    /// Lets the process go on.
    fn unlock(&self, py: Python<'_>) -> PyResult<Process> {
        unlock(py, &self.held)?;
        Ok(Process(self.held.clone()))
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// Unlocks it. If it was unlocked, or left checkpointed, nothing is to be done.
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        if self.held.kind() == "locked" { unlock(py, &self.held) } else { Ok(()) }
    }

    fn __repr__(&self) -> String {
        format!("<Locked {}>", self.held.pid())
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        dropped_by_an_exception(|py| self.held.unlock_quietly(py));
    }
}

/// A process whose GPU memory is in host memory, and whose devices are free.
///
/// At the end of a `with` block it is restored on the GPUs that it had. Otherwise it stays suspended until
/// somebody restores it, so that a controller may end in between: see `recover` and `Process.take_up`.
#[pyclass(frozen, module = "cuda_primary_context.checkpoint")]
#[derive(Debug)]
pub struct Checkpointed {
    pub held: Arc<Held>,
    /// Of the lock that a restore comes back to.
    _lock: Arc<Lock>,
    room: RoomArgument,
}

impl Checkpointed {
    pub fn new(held: Arc<Held>, room: RoomArgument) -> Self {
        Self { _lock: held.lock(), held, room }
    }

    /// Takes the process, for a group.
    pub fn take(&self) -> PyResult<CheckpointedProcess> {
        match self.held.take()? {
            Found::Checkpointed(process) => Ok(process),
            other => {
                let (pid, kind) = (other.pid(), kind(&other));
                self.held.put_back(other);
                Err(PyValueError::new_err(format!("Process {pid} is {kind} to this controller.")))
            }
        }
    }

    fn back(&self, py: Python<'_>, room: &RoomArgument, map: &GpuMap) -> PyResult<Locked> {
        let room = room.look(py, map, &[self.held.pid()])?;
        let locked = Locked::new(self.held.clone());
        self.held.step(py, "restore", |found| match found {
            Found::Checkpointed(process) => {
                Taken::Now(process.restore(map, &room).map(Found::Locked))
            }
            found => Taken::Not(found),
        })?;
        Ok(locked)
    }
}

#[pymethods]
impl Checkpointed {
    /// The process id.
    #[getter]
    fn pid(&self) -> u32 {
        self.held.pid()
    }

    /// Returns the state of the process, as the driver says.
    fn state(&self, py: Python<'_>) -> PyResult<String> {
        self.held.state(py)
    }

    /// Moves the process's memory back to its devices; it is locked then.
    ///
    /// A restore that runs out of memory destroys the process. So `room` is checked first: the bytes that
    /// each device needs, by its unique id (`memory_of` returns them before the checkpoint), to be compared
    /// with what NVML says is free; or `DeviceRoom` with your own numbers; or `TRUSTED` if you know that
    /// there is room.
    ///
    /// `gpu_map` has the new GPU's unique id for each old one's, and names every GPU of the machine
    /// (`every_gpu`, by default what the kernel driver shows); without it, all are the same.
    #[pyo3(signature = (*, room, gpu_map = None, every_gpu = None))]
    fn restore(
        &self,
        py: Python<'_>,
        room: RoomArgument,
        gpu_map: Option<Bound<'_, PyAny>>,
        every_gpu: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Locked> {
        self.back(py, &room, &restore::gpu_map(py, gpu_map, every_gpu)?)
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        match self.held.kind() {
            "checkpointed" => self.back(py, &self.room, &GpuMap::same()).map(drop),
            _ => Ok(()),
        }
    }

    fn __repr__(&self) -> String {
        format!("<Checkpointed {}>", self.held.pid())
    }
}

/// If the room is not known to be there, the process stays checkpointed.
impl Drop for Checkpointed {
    fn drop(&mut self) {
        dropped_by_an_exception(|py| {
            if self.held.kind() == "checkpointed" {
                let _ = self.back(py, &self.room, &GpuMap::same());
            }
        });
    }
}

fn unlock(py: Python<'_>, held: &Arc<Held>) -> PyResult<()> {
    held.step(py, "unlock", |found| match found {
        Found::Locked(locked) => Taken::Now(locked.unlock().map(Found::Running)),
        found => Taken::Not(found),
    })
}
