//! The build script: its choice on machines made of folders, and what it reads from headers.
//!
//! `.ci/builds` tests the builds themselves, with Cargo, libclang and NVIDIA's headers.

mod found;
mod headers;
mod machine;
mod required;
