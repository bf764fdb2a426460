//! `cuda-contexts ps` on a stand-in for NVML, with real processes.

#[path = "../support/limit.rs"]
mod limit;
mod machine;
#[path = "../support/programs.rs"]
mod programs;
mod shown;
#[path = "../../../tests/support/skips.rs"]
mod skips;
mod traced;
mod watch;
