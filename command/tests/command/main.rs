//! The command and its witness, mostly on the simulated driver. One program, which compiles once what all tests use.

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
#[path = "../ps/mod.rs"]
mod ps;
mod report;
#[path = "../run/mod.rs"]
mod run;
#[path = "../../../tests/support/skips.rs"]
mod skips;
mod strays;
#[path = "../support/traced.rs"]
mod traced;
mod untraced;
#[path = "../witness/mod.rs"]
mod witness;
