//! Suspending and resuming other processes.

pub mod controller;
pub mod group;
mod restore;
