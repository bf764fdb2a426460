//! The command, on the simulated driver.

mod account;
mod documentation;
mod lines_of_code;
mod options;
mod program;
mod strays;
mod traced;
mod untraced;
