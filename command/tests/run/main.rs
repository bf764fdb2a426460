//! `cuda-contexts run`: on the simulated driver, new threads begin on their creator's device.

#[path = "../support/limit.rs"]
mod limit;
mod other_languages;
#[path = "../support/programs.rs"]
mod programs;
#[path = "../../../tests/support/skips.rs"]
mod skips;
mod started;
mod threads;
