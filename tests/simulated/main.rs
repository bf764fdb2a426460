//! The crate on the simulated driver: one program, a module a subject.
//!
//! A test has a driver of its own, a copy of the library with its own devices, so that tests run side by
//! side. A test that forks, exits or counts on an environment starts this program again for itself alone
//! (`support::processes`).

#[path = "../support/mod.rs"]
mod support;

mod allocations;
mod allocator;
mod devices;
mod drop_is_silent;
mod events;
mod example;
mod faults;
mod forked_before_init;
mod forked_child;
mod forked_while_busy;
mod formatting;
mod green_contexts;
mod holders;
mod inherited_files;
mod irregular;
mod library_search;
mod loading;
mod nobody_waits;
mod one_driver;
mod primary_context;
mod process_exit;
mod promises;
mod raw_layer;
mod retain_only;
mod serialize;
mod threads;
