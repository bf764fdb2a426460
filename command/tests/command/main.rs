//! The command, on the simulated driver.

mod account;
mod documentation;
mod driver;
mod gates;
mod limit;
mod options;
mod program;
mod report;
#[path = "../../../tests/support/skips.rs"]
mod skips;
mod strays;
mod traced;
mod untraced;
