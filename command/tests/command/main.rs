//! The command, on the simulated driver.

mod account;
mod documentation;
mod driver;
mod gates;
#[path = "../support/limit.rs"]
mod limit;
mod options;
mod program;
#[path = "../support/programs.rs"]
mod programs;
mod report;
#[path = "../../../tests/support/skips.rs"]
mod skips;
mod strays;
#[path = "../support/traced.rs"]
mod traced;
mod untraced;
