//! What the text of a `cuda.h` says about itself, and which headers can be used.

use std::fs;
use std::path::Path;

/// The files that the bindings are made from.
pub const HEADERS: [&str; 2] = ["cuda.h", "cudaTypedefs.h"];

/// The oldest header with everything that the safe layer uses: CUDA 12.8 added the functions for
/// checkpoints.
pub const OLDEST: u32 = 12_080;

/// Reads a file that Cargo then watches. Headers have comments in other encodings than UTF-8.
pub fn read(path: &Path) -> Result<String, String> {
    println!("cargo::rerun-if-changed={}", path.display());
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the value of `#define CUDA_VERSION` in the text of a `cuda.h`: 1000 × major + 10 × minor.
pub fn version(text: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let defines = words.next() == Some("#define") && words.next() == Some("CUDA_VERSION");
        defines.then(|| words.next()?.parse().ok()).flatten()
    })
}

/// Returns the version as people write it: 12.9 for 12090.
pub fn dotted(version: u32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}
