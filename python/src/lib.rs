//! The part in Rust of the Python package `cuda_primary_context`: calls of the crate of that name, with
//! Python's lock released meanwhile, and the values that they return.

mod checkpoint;
mod device;
mod driver;
mod error;
mod guard;
mod interpreter;
mod log;
mod number;
mod report;
mod retain_only;
mod value;

/// What the package in Python is made of. Not for others.
#[pyo3::pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use crate::checkpoint::group::{Suspended, recover, suspend};
    #[pymodule_export]
    use crate::checkpoint::process::{Checkpointed, Locked, Process};
    #[pymodule_export]
    use crate::checkpoint::questions::{machine_gpus, memory_of, tree};
    #[pymodule_export]
    use crate::driver::{contexts, devices, driver, holders, unreleased};
    #[pymodule_export]
    use crate::guard::PrimaryContextGuard;
    #[pymodule_export]
    use crate::report::Report;
    #[pymodule_export]
    use crate::retain_only::{plan, release_strays, retain_only};
    #[pymodule_export]
    use crate::value::{
        Call, Context, CurrentContext, Device, DeviceFile, DeviceReport, DeviceRoom, Driver,
        Holder, Plan, PlannedDevice, ProcessReport, StepReport, TreeProcess,
    };

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::interpreter::check_is_the_first(module.py())
    }
}
