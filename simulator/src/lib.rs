#![doc = include_str!("../README.md")]

#[cfg(not(target_os = "linux"))]
compile_error!("the simulated driver is a Linux shared library");

mod builder;
mod call;
mod checkpoint;
mod client_command;
mod control;
mod elf;
mod fault;
mod hooks;
mod knob;
mod library;
mod others;
mod private_directory;
mod simulator;
mod watching;

pub use builder::Builder;
pub use call::{Call, StackEntry, Taken};
pub use checkpoint::Target;
pub use client_command::ClientCommand;
pub use elf::hide_symbols;
pub use fault::Fault;
pub use knob::Knob;
pub use library::{EntryPoint, entry_points, write_library};
pub use simulator::Simulator;
