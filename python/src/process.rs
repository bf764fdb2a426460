//! What a forked child should know.

use cuda_primary_context::fork;
use pyo3::prelude::*;

use crate::error::json;

/// Whether this process was forked from one that had initialised CUDA through this package.
#[pyfunction]
pub fn forked_after_init() -> bool {
    fork::forked_after_init()
}

/// The `/dev/nvidia*` files that a process has open.
#[pyfunction]
pub fn device_files(py: Python<'_>, pid: Option<u32>) -> PyResult<String> {
    let files = py.detach(|| match pid {
        Some(pid) => fork::device_files_of(pid),
        None => fork::device_files(),
    })?;
    json(&files)
}
