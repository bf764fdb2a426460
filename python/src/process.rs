//! What a forked child should know.

use cuda_primary_context::fork;
use pyo3::prelude::*;
use serde_json::json;

use crate::checkpoint::questions::of_process;
use crate::number::process_id;
use crate::value::{DeviceFile, tuple_of};

/// Whether this process was forked from one that had initialised CUDA through this package.
#[pyfunction]
pub fn forked_after_init() -> bool {
    fork::forked_after_init()
}

/// The `/dev/nvidia*` files that a process has open.
#[pyfunction]
#[pyo3(signature = (pid = None))]
pub fn device_files<'py>(
    py: Python<'py>,
    pid: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let pid = pid.as_ref().map(process_id).transpose()?;
    let files = py.detach(|| match pid {
        Some(pid) => fork::device_files_of(pid).map_err(|error| of_process(pid, &error)),
        None => fork::device_files(),
    })?;
    let files: Vec<_> = files.iter().map(|file| json!(file)).collect();
    tuple_of::<DeviceFile>(py, &files, &[])
}
