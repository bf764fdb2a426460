//! What a controller asks about processes and the machine.

use std::io;

use cuda_primary_context::Uuid;
use cuda_primary_context::checkpoint::{machine_gpus as gpus_of_machine, nvml, tree as tree_of};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::or_raise;
use crate::number::process_id;
use crate::value::{TreeProcess, tuple_of};

/// Returns the process and its descendants, each after its parent. One that holds no device files has no CUDA to
/// checkpoint.
#[pyfunction]
pub fn tree<'py>(py: Python<'py>, pid: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let pid = process_id(pid)?;
    let found = py.detach(|| tree_of(pid)).map_err(|error| {
        io::Error::new(error.kind(), format!("Cannot read /proc/{pid}: {error}."))
    })?;
    tuple_of::<TreeProcess>(py, found)
}

/// Returns the unique ids of every GPU that the kernel driver shows, whatever `CUDA_VISIBLE_DEVICES` says.
#[pyfunction]
pub fn machine_gpus(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, gpus(py)?.iter().map(ToString::to_string))
}

/// The same, with the path and what to do instead in its error.
pub fn gpus(py: Python<'_>) -> PyResult<Vec<Uuid>> {
    Ok(py.detach(gpus_of_machine).map_err(|error| {
        let what = "Cannot list this machine's GPUs in /proc/driver/nvidia/gpus";
        let message = format!("{what}: {error}. A restore takes them as every_gpu, too.");
        io::Error::new(error.kind(), message)
    })?)
}

/// Returns how many bytes a process has on each device, by its unique id, as NVML says. Call it before the
/// checkpoint, and pass the result to the restore.
#[pyfunction]
pub fn memory_of<'py>(py: Python<'py>, pid: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let pid = process_id(pid)?;
    let memory = PyDict::new(py);
    for on in or_raise(py, py.detach(|| nvml::memory_of(pid)))? {
        memory.set_item(on.device.to_string(), on.bytes)?;
    }
    Ok(memory)
}
