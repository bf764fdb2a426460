//! The command, on the simulated driver.

mod account;
mod lines_of_code;
mod options;
mod program;
mod strays;
mod traced;
mod untraced;
