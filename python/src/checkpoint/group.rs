//! Several processes at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cuda_primary_context::checkpoint::{
    CheckpointError, Checkpointed as CheckpointedProcess, Found, GpuMap, GroupError, Process,
    ProcessReport as Report, Resumed, StepReport, Steps, Suspended as SuspendedProcesses,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::checkpoint::dropped_by_an_exception;
use crate::checkpoint::held::Held;
use crate::checkpoint::process::Checkpointed;
use crate::checkpoint::restore::{self, RoomArgument};
use crate::error::{exception, or_raise};
use crate::number::{limit, process_id, processes_at_once};
use crate::value::{self, ProcessReport, object_of, tuple_of};

/// Processes that are all checkpointed.
///
/// At the end of a `with` block they are brought back on the GPUs that they had. Otherwise they stay
/// suspended until somebody restores them: see `recover`.
#[pyclass(frozen, module = "cuda_primary_context.checkpoint")]
#[derive(Debug)]
pub struct Suspended {
    pids: Vec<u32>,
    /// What was done for each process.
    reports: Vec<Report>,
    /// Empty once they were brought back.
    processes: Mutex<Option<SuspendedProcesses>>,
    room: RoomArgument,
    at_once: Option<usize>,
}

impl Suspended {
    fn new(suspended: SuspendedProcesses, room: RoomArgument, at_once: Option<usize>) -> Self {
        let pids = suspended.processes().iter().map(CheckpointedProcess::pid).collect();
        let reports = suspended.reports().to_vec();
        Self { pids, reports, processes: Mutex::new(Some(suspended)), room, at_once }
    }

    fn processes(&self) -> MutexGuard<'_, Option<SuspendedProcesses>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn back(
        &self,
        py: Python<'_>,
        room: &RoomArgument,
        map: &GpuMap,
        observer: &Observer,
    ) -> PyResult<Py<PyAny>> {
        let room = room.look(py, map, &self.pids)?;
        let Some(suspended) = self.processes().take() else {
            return Err(PyValueError::new_err("The group was resumed already."));
        };
        let resumed = observer.run(py, self.at_once, |steps| steps.resume(suspended, map, &room));
        let error = match resumed {
            Ok(resumed) => return observer.reports_of(py, &resumed),
            Err(error) => error,
        };
        let raised = observer.exception(py, &error);
        // As the crate leaves them: all checkpointed again, or each as it was found.
        let found = error.into_parts().1;
        if found.iter().all(|found| matches!(found, Found::Checkpointed(_))) {
            let again = found.into_iter().filter_map(|found| match found {
                Found::Checkpointed(process) => Some(process),
                _ => None,
            });
            *self.processes() = Some(again.collect());
        } else {
            hand_over(py, &raised, found);
        }
        Err(raised)
    }

    /// Brings the processes back because nobody gets the group.
    fn undo(&self, py: Python<'_>) {
        let _ = self.back(py, &self.room, &GpuMap::same(), &Observer::new(None));
    }
}

#[pymethods]
impl Suspended {
    /// Makes a group of processes that were found checkpointed. They are the group's from then on.
    #[classmethod]
    #[pyo3(
        signature = (processes, *, room = RoomArgument::Trusted),
        text_signature = "($cls, processes, *, room='trusted')"
    )]
    fn of(
        _class: &Bound<'_, PyType>,
        processes: &Bound<'_, PyAny>,
        room: RoomArgument,
    ) -> PyResult<Self> {
        let processes =
            processes.try_iter()?.map(|process| Ok(process?.cast_into::<Checkpointed>()?));
        let processes = processes.collect::<PyResult<Vec<_>>>()?;
        let mut taken = Vec::new();
        for process in &processes {
            match process.get().take() {
                Ok(process) => taken.push(process),
                Err(refusal) => {
                    for (process, taken) in processes.iter().zip(taken) {
                        process.get().held.put_back(Found::Checkpointed(taken));
                    }
                    return Err(refusal);
                }
            }
        }
        Ok(Self::new(taken.into_iter().collect(), room, None))
    }

    /// The process ids, in the order in which they were given.
    #[getter]
    fn pids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.pids)
    }

    /// What was done for each process; empty for those that were taken up.
    #[getter]
    fn reports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        reports_object(py, &self.reports)
    }

    /// Checks the room, restores all processes at once, then unlocks all. The arguments are those of
    /// `Checkpointed.restore`, the room that of all together, and `on_step` is that of `suspend`.
    ///
    /// If a restore fails, those restored before are checkpointed again. If an unlock fails, the others are
    /// unlocked all the same. The error has what every process is then; `found` is empty if all are
    /// checkpointed again: the group holds them, and can be resumed later.
    #[pyo3(signature = (*, room, gpu_map = None, every_gpu = None, on_step = None))]
    fn resume(
        &self,
        py: Python<'_>,
        room: RoomArgument,
        gpu_map: Option<Bound<'_, PyAny>>,
        every_gpu: Option<Bound<'_, PyAny>>,
        on_step: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let map = restore::gpu_map(py, gpu_map, every_gpu)?;
        self.back(py, &room, &map, &Observer::new(on_step))
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        let is_suspended = self.processes().is_some();
        if is_suspended {
            self.back(py, &self.room, &GpuMap::same(), &Observer::new(None))?;
        }
        Ok(())
    }

    fn __repr__(&self) -> String {
        let pids: Vec<String> = self.pids.iter().map(ToString::to_string).collect();
        format!("<Suspended {}>", pids.join(", "))
    }
}

/// If the room is not known to be there, the processes stay suspended.
impl Drop for Suspended {
    fn drop(&mut self) {
        dropped_by_an_exception(|py| self.undo(py));
    }
}

/// Locks all processes, each within this many seconds, then checkpoints all at once. If one fails, what was
/// done is undone, and the error has what every process is then. Ranks leave their NCCL group first: in one
/// over P2P or shared memory they were never seen to come back.
///
/// `room` is for the restore at the end of a `with` block. `at_once` bounds how many processes are
/// checkpointed or restored at once. `on_step` is called with a process id and a `StepReport` after each step,
/// from any thread.
#[pyfunction]
#[pyo3(
    signature = (pids, *, timeout, room = RoomArgument::Trusted, at_once = None, on_step = None),
    text_signature = "(pids, *, timeout, room='trusted', at_once=None, on_step=None)"
)]
pub fn suspend(
    py: Python<'_>,
    pids: &Bound<'_, PyAny>,
    timeout: &Bound<'_, PyAny>,
    room: RoomArgument,
    at_once: Option<Bound<'_, PyAny>>,
    on_step: Option<Py<PyAny>>,
) -> PyResult<Suspended> {
    let (limit, observer) = (limit(timeout)?, Observer::new(on_step));
    let at_once = processes_at_once(at_once.as_ref())?;
    let pids = process_ids(pids)?;
    let processes =
        py.detach(|| pids.into_iter().map(Process::open).collect::<Result<Vec<_>, _>>());
    let processes = or_raise(py, processes)?;
    match observer.run(py, at_once, |steps| steps.suspend(processes, limit)) {
        Ok(suspended) => {
            let suspended = Suspended::new(suspended, room, at_once);
            match observer.raised() {
                Some(raised) => {
                    suspended.undo(py);
                    Err(raised)
                }
                None => Ok(suspended),
            }
        }
        Err(error) => Err(observer.failure(py, error)),
    }
}

/// Resumes whatever a controller that died or was interrupted left locked or checkpointed, and returns what was
/// done for each process. Processes that run or have ended are left alone. It takes off the lock of a
/// controller that still lives, too.
///
/// The arguments are those of `Suspended.resume` and of `suspend`. A restore without room destroys the
/// process: pass `room` unless you know that there is room.
#[pyfunction]
#[pyo3(
    signature = (
        pids, *, room = RoomArgument::Trusted, gpu_map = None, every_gpu = None, at_once = None,
        on_step = None
    ),
    text_signature = "(pids, *, room='trusted', gpu_map=None, every_gpu=None, at_once=None, on_step=None)"
)]
pub fn recover(
    py: Python<'_>,
    pids: &Bound<'_, PyAny>,
    room: RoomArgument,
    gpu_map: Option<Bound<'_, PyAny>>,
    every_gpu: Option<Bound<'_, PyAny>>,
    at_once: Option<Bound<'_, PyAny>>,
    on_step: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let at_once = processes_at_once(at_once.as_ref())?;
    let (pids, observer) = (process_ids(pids)?, Observer::new(on_step));
    let map = restore::gpu_map(py, gpu_map, every_gpu)?;
    let room = room.look(py, &map, &pids)?;
    let open = |pid: u32| match Process::open(pid) {
        Err(CheckpointError::NoSuchProcess { .. }) => None,
        opened => Some(opened),
    };
    let processes = py.detach(|| pids.into_iter().filter_map(open).collect::<Result<Vec<_>, _>>());
    let processes = or_raise(py, processes)?;
    match observer.run(py, at_once, |steps| steps.recover(processes, &map, &room)) {
        Ok(resumed) => observer.reports_of(py, &resumed),
        Err(error) => Err(observer.failure(py, error)),
    }
}

fn process_ids(pids: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    pids.try_iter()?.map(|pid| process_id(&pid?)).collect()
}

/// A function of the caller's that hears of every step, and the first exception that it raised.
struct Observer {
    function: Option<Py<PyAny>>,
    raised: Mutex<Option<PyErr>>,
}

impl Observer {
    fn new(function: Option<Py<PyAny>>) -> Self {
        Self { function, raised: Mutex::new(None) }
    }

    /// Takes the steps of a group with Python's lock released.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        at_once: Option<usize>,
        action: impl FnOnce(Steps<'_>) -> T + Send,
    ) -> T {
        let hear = |pid: u32, step: &StepReport| {
            let Some(function) = &self.function else { return };
            Python::attach(|py| {
                let step = object_of::<value::StepReport>(py, step);
                if let Err(error) = step.and_then(|step| function.call1(py, (pid, step))) {
                    let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
                    raised.get_or_insert(error);
                }
            });
        };
        let steps = at_once.map_or_else(Steps::new, |processes| Steps::new().at_once(processes));
        py.detach(|| action(steps.on_step(&hear)))
    }

    fn raised(&self) -> Option<PyErr> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The reports, or what the function raised meanwhile.
    fn reports_of(&self, py: Python<'_>, resumed: &Resumed) -> PyResult<Py<PyAny>> {
        match self.raised() {
            Some(raised) => Err(raised),
            None => Ok(reports_object(py, resumed.reports())?.unbind()),
        }
    }

    /// The exception for a failure of the group, which has what every process is now.
    fn failure(&self, py: Python<'_>, error: GroupError) -> PyErr {
        let raised = self.exception(py, &error);
        hand_over(py, &raised, error.into_parts().1);
        raised
    }

    /// The exception for a failure of the group, caused by what the function raised, if it did. It has the
    /// process for which a step failed and what was done for each.
    fn exception(&self, py: Python<'_>, error: &GroupError) -> PyErr {
        let raised = exception(py, error.error());
        let attributes = || {
            let value = raised.value(py);
            if let Some(pid) = error.pid() {
                value.setattr("pid", pid)?;
                let report = error.reports().iter().find(|report| report.pid == pid);
                let state = report.and_then(|report| report.state.as_ref());
                value.setattr("state", state.map(|state| state.to_string()))?;
            }
            value.setattr("reports", reports_object(py, error.reports())?)
        };
        let failure = attributes().map_or_else(|failed| failed, |()| raised.clone_ref(py));
        if let Some(raised) = self.raised() {
            failure.set_cause(py, Some(raised));
        }
        failure
    }
}

fn reports_object<'py>(py: Python<'py>, reports: &[Report]) -> PyResult<Bound<'py, PyAny>> {
    tuple_of::<ProcessReport>(py, reports)
}

/// Gives the exception what every process is now. One that has no place for it drops them: what is locked
/// is unlocked then.
fn hand_over(py: Python<'_>, raised: &PyErr, found: Vec<Found>) {
    let objects = found.into_iter().map(|found| Held::new(found).object(py));
    let objects = objects.collect::<PyResult<Vec<_>>>().and_then(|all| PyTuple::new(py, all));
    let _ = objects.and_then(|objects| raised.value(py).setattr("found", objects));
}
