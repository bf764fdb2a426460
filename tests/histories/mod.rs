//! Random histories: what this crate and others in the process do with primary contexts, one step
//! after the other, beside a model that counts.

pub mod handle;
pub mod model;
pub mod operation;
pub mod world;
