//! What one controller holds of a process.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use cuda_primary_context::checkpoint::{self as crate_, CheckpointError, Found, StepError};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::checkpoint::process::{Checkpointed, Locked, Process};
use crate::checkpoint::restore::RoomArgument;
use crate::error::{exception, or_raise};

/// A process, as its controller holds it.
#[derive(Debug)]
pub struct Held {
    pid: u32,
    /// The process for queries alone: they must not take what is held, because another thread may be at the
    /// end of a block. If it had ended by then, why.
    asking: Result<crate_::Process, CheckpointError>,
    /// Empty during a step. The mutex is held for a moment alone, so that it is never locked at a fork.
    found: Mutex<Option<Found>>,
    lock: Mutex<Weak<Lock>>,
}

/// Owns the lock of a process: the last one to go unlocks it, if it is locked by then.
#[derive(Debug)]
pub struct Lock(Arc<Held>);

/// What became of a step: the crate's types do not let one be taken out of order.
#[derive(Debug)]
pub enum Taken {
    Now(Result<Found, StepError>),
    Not(Found),
}

impl Held {
    pub fn new(found: Found) -> Arc<Self> {
        let pid = found.pid();
        let (asking, lock) = (crate_::Process::open(pid), Mutex::new(Weak::new()));
        Arc::new(Self { pid, asking, found: Mutex::new(Some(found)), lock })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn state(&self, py: Python<'_>) -> PyResult<String> {
        match &self.asking {
            Ok(process) => {
                or_raise(py, py.detach(|| process.state())).map(|state| state.to_string())
            }
            Err(error) => Err(exception(py, error)),
        }
    }

    /// What is held, as far as this controller knows.
    pub fn kind(&self) -> &'static str {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.as_ref().map_or("in another step or in a group", kind)
    }

    /// Takes what is held, to put it back after a call.
    pub fn take(&self) -> PyResult<Found> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.take().ok_or_else(|| {
            let pid = self.pid;
            PyRuntimeError::new_err(format!("Process {pid} is in another step or in a group."))
        })
    }

    pub fn put_back(&self, now: Found) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// The lock's owner, which all objects that stand for the process share.
    pub fn lock(self: &Arc<Self>) -> Arc<Lock> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        lock.upgrade().unwrap_or_else(|| {
            let new = Arc::new(Lock(self.clone()));
            *lock = Arc::downgrade(&new);
            new
        })
    }

    /// Unlocks the process if it is locked. There is nobody to hear of a failure.
    pub fn unlock_quietly(&self, py: Python<'_>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = found.take_if(|found| matches!(found, Found::Locked(_)));
        drop(found);
        if let Some(Found::Locked(locked)) = locked {
            let now = py.detach(|| locked.unlock());
            self.put_back(now.map_or_else(|error| error.into_parts().1, Found::Running));
        }
    }

    /// Takes a step; the exception says what the process is after one that failed.
    pub fn step(
        self: &Arc<Self>,
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
                let _ = raised.value(py).setattr("found", (self.object(py)?,));
                Err(raised)
            }
            Taken::Not(found) => {
                self.put_back(found);
                let (pid, kind) = (self.pid, self.kind());
                let message =
                    format!("Cannot {name} process {pid}: to this controller it is {kind}.");
                Err(PyValueError::new_err(message))
            }
        }
    }

    /// The Python object for what is held now.
    pub fn object(self: &Arc<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.kind() {
            "locked" => Ok(Py::new(py, Locked::new(self.clone()))?.into_any()),
            "checkpointed" => {
                let checkpointed = Checkpointed::new(self.clone(), RoomArgument::Trusted);
                Ok(Py::new(py, checkpointed)?.into_any())
            }
            _ => Ok(Py::new(py, Process::new(self.clone()))?.into_any()),
        }
    }
}

pub fn kind(found: &Found) -> &'static str {
    match found {
        Found::Locked(_) => "locked",
        Found::Checkpointed(_) => "checkpointed",
        // Running, or in a state that is nobody's here.
        _ => "not locked",
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        Python::try_attach(|py| self.0.unlock_quietly(py));
    }
}
