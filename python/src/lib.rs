//! The part in Rust of the Python package `cuda_primary_context`: calls of the crate of that name, with
//! Python's lock released meanwhile, and what they answer as text. What users see is written in Python,
//! beside this folder.

mod checkpoint;
mod device;
mod driver;
mod error;
mod interpreter;
mod process;
mod retain_only;

/// What the package in Python is made of. Not for others.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::checkpoint::group::{Suspended, recover, suspend};
    #[pymodule_export]
    use crate::checkpoint::process::{Checkpointed, Controller, Locked};
    #[pymodule_export]
    use crate::checkpoint::questions::{machine_gpus, memory_of, tree};
    #[pymodule_export]
    use crate::driver::{contexts, devices, driver, holders, unreleased};
    #[pymodule_export]
    use crate::process::{device_files, forked_after_init};
    #[pymodule_export]
    use crate::retain_only::{Guard, plan, release_strays, retain_only};

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::interpreter::check_is_the_first(module.py())
    }
}
