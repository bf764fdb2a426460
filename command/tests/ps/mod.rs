//! `cuda-contexts ps` on a stand-in for NVML, with real processes.

mod machine;
mod shown;
mod traced;
mod watch;
