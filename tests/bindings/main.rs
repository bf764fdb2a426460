//! The bindings and the public types against what is not this crate: the header and a C compiler, NVIDIA's
//! libraries of several generations, the linker, and the Rust compiler, which must refuse wrong programs. Beside
//! them the build script, which chooses the bindings.

#[path = "../support/mod.rs"]
mod support;

mod against_c;
mod build_script;
mod checked_in;
mod driver_generations;
#[cfg(feature = "linked")]
mod linked;
mod must_not_compile;
mod text;

#[allow(dead_code, reason = "what a build script alone uses")]
#[path = "../../build/choice.rs"]
mod choice;
#[path = "../../build/function_table.rs"]
mod function_table;
#[path = "../../build/header.rs"]
mod header;
#[path = "../../build/toolkit_search.rs"]
mod toolkit_search;
