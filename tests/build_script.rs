//! The build script: its choice on machines made of folders, and what it reads from headers.
//!
//! `.ci/builds` tests the builds themselves, with Cargo, libclang and NVIDIA's headers.

#[allow(dead_code, reason = "what a build script alone uses")]
#[path = "../build/choice.rs"]
mod choice;
#[path = "../build/function_table.rs"]
mod function_table;
#[path = "../build/header.rs"]
mod header;
#[path = "../build/toolkit_search.rs"]
mod toolkit_search;

#[path = "build_script/found.rs"]
mod found;
#[path = "build_script/headers.rs"]
mod headers;
#[path = "build_script/machine.rs"]
mod machine;
#[path = "build_script/required.rs"]
mod required;
