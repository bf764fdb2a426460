//! A fault at every driver call, and the verdict on what the crate made of it.
//!
//! The simulated driver fails one call (or every call from one on, or two of them) of an operation.
//! What the operation may then have done follows from the driver's own log of the calls and of what
//! each answered; what it did is read from the driver, and what it told from its answer.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod benign;
pub mod campaign;
pub mod complaint;
pub mod condition;
pub mod expected;
pub mod extent;
pub mod flawed;
pub mod flawed_operations;
pub mod injection;
pub mod loading;
pub mod log;
pub mod lookup;
pub mod operation_trial;
pub mod operations;
pub mod outcome;
pub mod patterns;
pub mod recorder;
pub mod scene;
pub mod stage;
pub mod told;
pub mod trial;
pub mod truth;
pub mod verdict;
