//! CUDA driver bindings, and a safe layer for one job: a process keeps one device's primary context
//! and lets go of the stale ones that it holds on every other device.
mod audit;
mod current_context;
mod device;
mod driver;
mod entry_points;
mod error;
pub mod fork;
mod library;
mod loaded;
mod primary_context;
mod report;
mod result_codes;
mod retain_only;
mod stale_release;
pub mod sys;
#[cfg(test)]
mod toolkit_search;

pub use audit::PrimaryContexts;
pub use current_context::CurrentContext;
pub use device::{Device, Uuid};
pub use driver::Driver;
pub use error::{Attempt, Error};
pub use primary_context::{PrimaryContext, PrimaryContextState};
pub use report::{Call, CurrentContextChange, DeviceReport, Outcome, Report};
pub use retain_only::PrimaryContextGuard;
pub use stale_release::{Plan, Planned, StaleRelease};
