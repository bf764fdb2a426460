//! `cuda-contexts run`: on the simulated driver, new threads begin on their creator's device.

#[path = "../command/limit.rs"]
mod limit;
mod programs;
#[path = "../../../tests/support/skips.rs"]
mod skips;
mod started;
mod threads;
