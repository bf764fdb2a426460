//! The output for programs: one object.

use cuda_primary_context::Error;
use serde::Serialize;
use serde_json::json;

/// A report or a plan, as the library serialises it, and whether the driver is a simulator.
pub fn report_or_plan(result: &impl Serialize, simulated: bool) -> String {
    let mut object = json!(result);
    object["driver"]["simulated"] = simulated.into();
    format!("{object}\n")
}

/// The object for a failure.
pub fn error(error: &Error) -> String {
    format!("{}\n", json!({ "error": error }))
}
