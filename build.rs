//! Chooses the raw layer: bindings generated from a `cuda.h`, or the checked-in ones.
//!
//! The library gets the cfg `cuda_header` if `OUT_DIR/bindings.rs` was generated, and a sentence about the
//! choice in `CUDA_PRIMARY_CONTEXT_BINDINGS`. `tests/bindings/build_script` tests the modules.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

#[cfg(feature = "bindgen")]
#[path = "build/bindings.rs"]
mod bindings;
#[path = "build/choice.rs"]
mod choice;
#[cfg(feature = "bindgen")]
#[path = "build/function_table.rs"]
mod function_table;
#[path = "build/header.rs"]
mod header;
#[path = "build/toolkit_search.rs"]
mod toolkit_search;

use toolkit_search::Machine;

#[cfg(feature = "bindgen")]
const GENERATOR: Option<choice::Generator> = Some(&bindings::generate);
#[cfg(not(feature = "bindgen"))]
const GENERATOR: Option<choice::Generator> = None;

const ONLY_64_BITS: &str = "this crate needs a 64-bit target: CUDA 12.0 and newer have no other";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    println!("cargo::rustc-check-cfg=cfg(cuda_header)");
    if variable("CARGO_CFG_TARGET_POINTER_WIDTH")? != "64" {
        // A `compile_error!` would be followed by an error for the layout of each type.
        println!("cargo::error={ONLY_64_BITS}");
        return Ok(());
    }
    let (package, architecture) =
        (variable("CARGO_MANIFEST_DIR")?, variable("CARGO_CFG_TARGET_ARCH")?);
    let machine = Machine {
        variable: &|name| {
            println!("cargo::rerun-if-env-changed={name}");
            env::var_os(name)
        },
        root: Path::new("/"),
        package: Path::new(&package),
        architecture: &architecture,
    };
    let choice = choice::choose(&machine, GENERATOR)?;
    println!("cargo::rustc-env=CUDA_PRIMARY_CONTEXT_BINDINGS={}", choice.source);
    if let Some(generated) = choice.generated {
        let file = Path::new(&variable("OUT_DIR")?).join("bindings.rs");
        fs::write(&file, generated.bindings)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        println!("cargo::rustc-cfg=cuda_header");
        // A test compares the bindings with C's view of the same header.
        let folder = generated.folder.display();
        println!("cargo::rustc-env=CUDA_PRIMARY_CONTEXT_HEADER_DIR={folder}");
    }
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}, which Cargo sets: {error}"))
}
