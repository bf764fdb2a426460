//! Chooses the raw layer: bindings generated from the `cuda.h` at hand, or the checked-in ones.
//!
//! What it tells the library: the cfg `cuda_header` where `OUT_DIR/bindings.rs` was generated, and
//! in `CUDA_PRIMARY_CONTEXT_BINDINGS` a sentence on what was used and why. `tests/build_script.rs`
//! tests the modules.

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
#[path = "build/public_names.rs"]
mod public_names;
#[path = "build/toolkit_search.rs"]
mod toolkit_search;
#[path = "build/watched.rs"]
mod watched;

use choice::Choice;
use toolkit_search::Machine;
use watched::Watched;

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
    if variable("CARGO_CFG_TARGET_POINTER_WIDTH")? != "64" {
        // Said here and not by `compile_error!`, after which rustc would go on, to an error for each
        // layout in the bindings.
        println!("cargo::error={ONLY_64_BITS}");
        return Ok(());
    }
    let out = variable("OUT_DIR")?;
    let mut watched = Watched::default();
    let choice = choice::choose(
        &Machine {
            variable: &|name| env::var_os(name),
            root: Path::new("/"),
            package: Path::new(&variable("CARGO_MANIFEST_DIR")?),
            architecture: &variable("CARGO_CFG_TARGET_ARCH")?,
        },
        &mut watched,
        GENERATOR,
    )?;
    for line in watched.lines(Path::new(&out)) {
        println!("{line}");
    }
    tell(choice, &Path::new(&out).join("bindings.rs"))
}

fn tell(choice: Choice, bindings: &Path) -> Result<(), String> {
    println!("cargo::rustc-check-cfg=cfg(cuda_header)");
    println!("cargo::rustc-env=CUDA_PRIMARY_CONTEXT_BINDINGS={}", choice.source);
    if let Some(generated) = choice.generated {
        fs::write(bindings, generated.bindings)
            .map_err(|error| format!("{}: {error}", bindings.display()))?;
        println!("cargo::rustc-cfg=cuda_header");
        // For a test, which compares the bindings with C's view of the same header.
        let folder = generated.folder.display();
        println!("cargo::rustc-env=CUDA_PRIMARY_CONTEXT_HEADER_DIR={folder}");
    }
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}, which Cargo sets: {error}"))
}
