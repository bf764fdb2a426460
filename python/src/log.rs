//! What a run logs to the `logging` module of Python: a line at INFO, and warnings.

use cuda_primary_context::{CurrentContextChange, Outcome, Report};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

const INFO: u32 = 20;
const WARNING: u32 = 30;
const NAME: &str = "cuda_primary_context";

/// Logs what a run did. A program that has not imported `logging` sees the warnings only.
pub fn run(py: Python<'_>, report: &Report) -> PyResult<()> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

    let warnings = warnings(report);
    let logger = match LOGGER.get(py) {
        Some(logger) => logger.bind(py).clone(),
        None if warnings.is_empty() && !is_imported(py, "logging")? => return Ok(()),
        None => {
            let logger = py.import("logging")?.call_method1("getLogger", (NAME,))?;
            LOGGER.get_or_init(py, || logger.unbind()).bind(py).clone()
        }
    };
    if logger.call_method1(intern!(py, "isEnabledFor"), (INFO,))?.is_truthy()? {
        logger.call_method1("log", (INFO, "%s", report.summary()))?;
    }
    for warning in warnings {
        logger.call_method1("log", (WARNING, "%s", warning))?;
    }
    Ok(())
}

fn is_imported(py: Python<'_>, module: &str) -> PyResult<bool> {
    static MODULES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

    let modules = MODULES
        .get_or_try_init(py, || Ok::<_, PyErr>(py.import("sys")?.getattr("modules")?.unbind()));
    modules?.bind(py).contains(module)
}

/// What needs somebody's attention, with the next step.
fn warnings(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    for line in report.devices() {
        let device = line.ordinal();
        match line.outcome() {
            Outcome::StillActive { .. } => warnings.push(format!(
                "Device {device} is still active: another library holds its context. Find out which with \
                 cuda-contexts trace, and select the right device there."
            )),
            Outcome::Failed { error, .. } => {
                warnings.push(format!("Device {device} could not be released: {error}"));
            }
            _ => {}
        }
        if line.taken_before() > 0 && line.outcome().releases() > 0 {
            warnings.push(format!(
                "An earlier run of this process released a reference on device {device} already (taken \
                 before: {}). Each run releases another one, which may belong to a library that uses it. \
                 Call this a single time, after the worker has selected its device.",
                line.taken_before()
            ));
        }
    }
    if let CurrentContextChange::NotRestored { from, error } = report.current_context() {
        warnings.push(format!(
            "This thread's current context, of device {}, was not made current again: {error}",
            from.ordinal()
        ));
    }
    warnings
}
