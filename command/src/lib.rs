//! The parts of the command `cuda-contexts`: which code created a CUDA context, and who holds it.
//!
//! The command puts a library of its own, the [`witness`], where the program looks for the driver. The
//! witness writes what happens to contexts into a file ([`arena`]); the command reads that
//! ([`record`]), keeps account ([`model`]), looks up names ([`symbols`]) and reports ([`report`],
//! [`json`], [`live`]). These modules are the command's own: they change with it.

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("cuda-contexts is for Linux on x86-64 and aarch64");

pub mod arena;
pub mod command;
pub mod driver_search;
mod file_error;
pub mod json;
pub mod launch;
pub mod layout;
pub mod live;
pub mod model;
mod names;
pub mod only;
pub mod options;
mod processes;
pub mod ps;
pub mod record;
pub mod report;
pub mod run;
pub mod stack;
pub mod symbols;
pub mod trace;
pub mod untraced;
mod unwind;
pub mod verdict;
pub mod witness;
