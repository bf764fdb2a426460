//! Random histories: what this crate and others in the process do with primary contexts, one step
//! after the other, beside a model that counts.

pub mod handle;
pub mod machine;
pub mod model;
pub mod operation;
// The fault tests compare outcomes in the same words.
#[path = "../faults/outcome.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
pub mod outcome;
pub mod scopes;
pub mod sweep;
pub mod world;
