//! The parts of the command `cuda-contexts`: which code created a CUDA context, and who holds it.
//!
//! The command puts a library of its own, the [`witness`], where the program looks for the driver. The
//! witness writes what happens to contexts into a file ([`arena`]). The command reads that
//! (`record`), keeps account (`model`), looks up names (`symbols`) and reports (`report`, `json`,
//! `live`).

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("cuda-contexts is for Linux on x86-64 and aarch64");

pub mod arena;
pub mod command;
mod driver_search;
mod file_error;
mod json;
mod launch;
mod layout;
mod live;
mod model;
mod names;
mod only;
mod options;
mod processes;
mod ps;
mod record;
mod report;
mod run;
mod stack;
mod symbols;
mod trace;
mod untraced;
mod unwind;
mod verdict;
pub mod witness;
