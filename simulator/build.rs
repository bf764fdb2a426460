//! Compiles the simulated driver, and writes the list of its entry points for the Rust side.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

macro_rules! knobs {
    ($($(#[$documentation:meta])* $variant:ident = $name:literal, $default:literal;)*) => {
        const KNOBS: &[(&str, u64)] = &[$(($name, $default),)*];
    };
}
include!("src/knobs.rs");

/// Names a directory with a `cuda.h`, against which the C compiler checks every prototype.
const HEADER_VARIABLE: &str = "CUDA_HEADER_DIR";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rerun-if-changed=c");
    println!("cargo:rerun-if-changed=src/knobs.rs");
    let knobs = KNOBS.iter().map(|(name, default)| format!("KNOB({name}, {default})\n"));
    fs::write(out.join("knobs.h"), knobs.collect::<String>()).expect("a writable OUT_DIR");
    write_rows(&out, "refused_functions", |function, since| {
        format!("REFUSED({function}, {since})")
    });
    write_rows(&out, "error_codes", |error, since| {
        format!("ERROR({}, {since})", error.replace('=', ", "))
    });
    write_entry_points(&out);
    compile(&out, header_directory().as_deref());
}

fn header_directory() -> Option<PathBuf> {
    println!("cargo:rerun-if-env-changed={HEADER_VARIABLE}");
    // An empty value is how a shell unsets a variable for one command.
    let directory = PathBuf::from(env::var_os(HEADER_VARIABLE).filter(|value| !value.is_empty())?);
    let header = directory.join("cuda.h");
    assert!(header.is_file(), "{HEADER_VARIABLE} is set, and {} does not exist", header.display());
    println!("cargo:rerun-if-changed={}", header.display());
    Some(directory)
}

fn sources() -> Vec<PathBuf> {
    let mut sources: Vec<PathBuf> = fs::read_dir("c")
        .expect("the folder c holds the driver's sources")
        .map(|entry| entry.expect("a readable entry of the folder c").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    sources
}

fn compiler() -> Command {
    cc::Build::new().pic(true).debug(false).warnings(false).opt_level(2).get_compiler().to_command()
}

fn compile(out: &Path, header: Option<&Path>) {
    let mut command = compiler();
    command.args(["-std=c11", "-D_DEFAULT_SOURCE", "-shared", "-fPIC", "-fvisibility=hidden"]);
    command.args(["-Wall", "-Wextra", "-Wl,-soname,libcuda.so.1", "-Wl,-Bsymbolic", "-Wl,-z,defs"]);
    if let Some(directory) = header {
        command.arg("-DSIMULATED_CUDA_WITH_HEADER").arg("-isystem").arg(directory);
    }
    command.arg("-I").arg(out).args(sources()).arg("-o").arg(out.join("libcuda.so.1"));
    command.args(["-ldl", "-lpthread"]);
    let with = header.map_or(String::new(), |header| format!(" with {}/cuda.h", header.display()));
    succeed(
        command.output().expect("a C compiler"),
        &format!("the simulated driver does not compile{with}"),
    );
}

fn succeed(output: Output, complaint: &str) {
    assert!(output.status.success(), "{complaint}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Writes a C header with a row for each word of a list, whose words stand behind the CUDA version that
/// brought them.
fn write_rows(out: &Path, name: &str, row: impl Fn(&str, &str) -> String) {
    let list = fs::read_to_string(format!("c/{name}.txt")).expect("a list in the folder c");
    let mut since = "";
    let mut rows = String::new();
    for word in list.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace) {
        match word.strip_suffix(':') {
            Some(version) => since = version,
            None => rows.push_str(&(row(word, since) + "\n")),
        }
    }
    fs::write(out.join(format!("{name}.h")), rows).expect("a writable OUT_DIR");
}

/// The table of entry points lives in a C header; the preprocessor turns it into a Rust slice.
fn write_entry_points(out: &Path) {
    let template = out.join("entry_points.c");
    let table = "\
#define ENTRY_POINT(symbol, since, ...) (#symbol, since, true),
#define REFUSED(symbol, since) (#symbol, since, false),
&[
#include \"entry_points.h\"
]
";
    fs::write(&template, table).expect("a writable OUT_DIR");
    let output = compiler()
        .args(["-E", "-P", "-I", "c", "-I"])
        .arg(out)
        .arg(&template)
        .output()
        .expect("a C compiler");
    let table = String::from_utf8(output.stdout.clone()).expect("a table in ASCII");
    succeed(output, "the table of entry points cannot be read");
    fs::write(out.join("entry_points.rs"), table).expect("a writable OUT_DIR");
}
