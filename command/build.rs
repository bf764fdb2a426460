//! Compiles the witness, and makes the Rust side of the layout of its records.

#[path = "build/events.rs"]
mod events;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rerun-if-changed=witness");
    let header = fs::read_to_string("witness/events.h").expect("the header of the records");
    fs::write(out.join("events.rs"), events::to_rust(&header)).expect("a writable OUT_DIR");

    // At run time the driver stands under this name. Here it only has to have it.
    let driver = out.join("libcuda-real.so");
    let empty = out.join("empty.c");
    fs::write(&empty, "typedef int nothing;\n").expect("a writable OUT_DIR");
    succeed(
        compiler()
            .args(["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libcuda-real.so"])
            .arg(&empty)
            .arg("-o")
            .arg(&driver)
            .output(),
        "a C compiler for Linux that makes shared libraries is needed",
    );

    let witness = out.join("libcuda-witness.so");
    let mut command = library("libcuda.so.1", &witness);
    command.args(sources()).arg("-L").arg(&out).args(FOR_THE_WITNESS);
    succeed(command.output(), "the witness does not compile");
    println!("cargo:rustc-env=CUDA_CONTEXTS_WITNESS={}", witness.display());

    println!("cargo:rerun-if-changed=threads");
    let threads = out.join("libkeep-threads.so");
    let mut command = library("libkeep-threads.so", &threads);
    command.args(["threads/keep_threads.c", "-ldl"]);
    succeed(command.output(), "the library for threads does not compile");
    println!("cargo:rustc-env=CUDA_CONTEXTS_KEEP_THREADS={}", threads.display());
}

fn sources() -> Vec<PathBuf> {
    let mut sources: Vec<PathBuf> = fs::read_dir("witness")
        .expect("the folder witness holds its sources")
        .map(|entry| entry.expect("a readable entry of the folder witness").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    sources
}

fn compiler() -> Command {
    cc::Build::new().pic(true).debug(false).warnings(false).opt_level(2).get_compiler().to_command()
}

/// `-Bsymbolic`: nothing inside refers to the exported functions by name, so that those that a
/// driver lacks can be hidden. `--no-as-needed`: nothing inside uses the driver by name, either. The
/// witness's own frames are unwound by its tables.
const FOR_THE_WITNESS: [&str; 10] = [
    "-D_DEFAULT_SOURCE",
    "-fvisibility=hidden",
    "-fasynchronous-unwind-tables",
    "-Wl,-Bsymbolic",
    "-Wl,-z,defs",
    "-Wl,--disable-new-dtags",
    "-Wl,-rpath,$ORIGIN",
    "-Wl,--no-as-needed",
    "-l:libcuda-real.so",
    "-Wl,--as-needed",
];

/// `-z now`: no call waits for the loader. `-z nodelete`: threads return into the library, and a program
/// that closes the driver and opens it again would get the driver itself, which may have stayed.
fn library(name: &str, path: &Path) -> Command {
    let mut command = compiler();
    command.args(["-std=c11", "-shared", "-fPIC", "-Wall", "-Wextra"]);
    command.args(["-Wl,-z,now", "-Wl,-z,nodelete"]).arg(format!("-Wl,-soname,{name}"));
    command.arg("-o").arg(path);
    command
}

fn succeed(output: std::io::Result<Output>, complaint: &str) {
    let output = output.unwrap_or_else(|error| panic!("{complaint}: {error}"));
    assert!(output.status.success(), "{complaint}:\n{}", String::from_utf8_lossy(&output.stderr));
}
