//! A simulated CUDA driver for tests on machines with no GPU.
//!
//! [`Simulator::start`] writes a private `libcuda.so.1` to a temporary directory, and whatever loads
//! the library from [`Simulator::path`] meets a driver that behaves as NVIDIA's does where that is
//! documented or was measured: reference-counted primary contexts, a stack of current contexts for
//! each thread, every generation of every function, the refusals before `cuInit`, after a fork and
//! at exit. The [`Simulator`] steers it from behind: references held by others, faults in any call,
//! closures in the middle of one, delays, a log of the calls; and it says whose each reference is.
//!
//! ```
//! use simulated_libcuda::{Fault, Simulator};
//!
//! let simulator = Simulator::start(4);
//! simulator.retain_by_others(2, 1); // another library left a context on device 2
//! simulator.inject(Fault::of("cuDevicePrimaryCtxRelease_v2", 1).code(700).refused());
//!
//! // Here the code under test loads `simulator.path()` and does its work.
//!
//! assert!(simulator.is_active(2));
//! ```
//!
//! Each instance has its own copy of the library, its own devices and its own state, so tests run in
//! parallel. The copy stays mapped until the process ends; only its directory is removed on drop.
//!
//! What the vendor leaves undocumented is a [`Knob`] whose default is what was measured, or a guess
//! where nothing was; each says which. There are no modules and no kernels: those functions
//! return 801 (`CUDA_ERROR_NOT_SUPPORTED`).
//!
//! A client that loads the driver by its name, in a process of its own, is a [`ClientCommand`].

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
pub use call::{Call, DeviceMemory, StackEntry, Taken};
pub use checkpoint::Target;
pub use client_command::ClientCommand;
pub use elf::hide_symbols;
pub use fault::Fault;
pub use knob::Knob;
pub use library::{EntryPoint, entry_points, write_library};
pub use simulator::Simulator;

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
