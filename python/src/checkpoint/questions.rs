//! What a controller asks about processes and the machine.

use cuda_primary_context::checkpoint::{machine_gpus as gpus_of_machine, nvml, tree as tree_of};
use pyo3::prelude::*;

use crate::checkpoint::process::process_id;
use crate::error::{answer, json};

/// A process and its descendants.
#[pyfunction]
pub fn tree(py: Python<'_>, pid: &Bound<'_, PyAny>) -> PyResult<String> {
    let pid = process_id(pid)?;
    json(&py.detach(|| tree_of(pid))?)
}

/// The unique id of every GPU that the kernel driver shows.
#[pyfunction]
pub fn machine_gpus(py: Python<'_>) -> PyResult<Vec<String>> {
    let ids = py.detach(gpus_of_machine)?;
    Ok(ids.iter().map(ToString::to_string).collect())
}

/// The bytes that a process has on each device, as NVML says.
#[pyfunction]
pub fn memory_of(py: Python<'_>, pid: &Bound<'_, PyAny>) -> PyResult<Vec<(String, u64)>> {
    let pid = process_id(pid)?;
    let memory = answer(py, py.detach(|| nvml::memory_of(pid)))?;
    Ok(memory.iter().map(|on| (on.device.to_string(), on.bytes)).collect())
}
