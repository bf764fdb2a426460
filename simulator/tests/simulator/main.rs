//! The simulator's own interface: settings, knobs, faults, hooks, owners, the log, commands, and what it exports.
//!
//! What it does as a driver is asked elsewhere: `tests/contract` puts the same questions to it and to NVIDIA's
//! driver, and `tests/checkpoint` suspends and resumes processes on it.

mod client_command;
mod command;
mod devices;
mod driver;
mod entry_points;
mod faults;
mod hooks;
mod look_up;
mod machine;
mod memory_and_streams;
mod owners;
mod watching;
