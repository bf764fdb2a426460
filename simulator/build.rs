//! Compiles the simulated driver, and writes the list of its entry points for the Rust side.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

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
    let write =
        |name: &str, rows: String| fs::write(out.join(name), rows).expect("a writable OUT_DIR");
    write("knobs.h", rows(KNOBS, |(name, default)| format!("KNOB({name}, {default})")));
    let errors = list("error_codes");
    write(
        "error_codes.h",
        rows(&errors, |(error, since)| format!("ERROR({error}, {since})").replace('=', ", ")),
    );
    let refused = list("refused_functions");
    write(
        "refused_functions.h",
        rows(&refused, |(function, since)| format!("REFUSED({function}, {since})")),
    );
    // In the order of the C table, in which those that are not modelled come last.
    let entry_point = |(symbol, since): &(String, String), is_modelled| {
        format!("({symbol:?}, {since}, {is_modelled}),")
    };
    let modelled = rows(&modelled(), |entry| entry_point(entry, true));
    let others = rows(&refused, |entry| entry_point(entry, false));
    write("entry_points.rs", format!("&[\n{modelled}{others}]\n"));
    compile(&out, header_directory().as_deref());
}

fn rows<T>(list: &[T], row: impl Fn(&T) -> String) -> String {
    list.iter().map(|entry| row(entry) + "\n").collect()
}

/// The words of a list, each with the CUDA version that brought it, which stands before them.
fn list(name: &str) -> Vec<(String, String)> {
    let list = fs::read_to_string(format!("c/{name}.txt")).expect("a list in the folder c");
    let mut since = "";
    let mut words = Vec::new();
    for word in list.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace) {
        match word.strip_suffix(':') {
            Some(version) => since = version,
            None => words.push((word.to_owned(), since.to_owned())),
        }
    }
    words
}

/// The rows of the C table, `MACRO(symbol, since, …`.
fn modelled() -> Vec<(String, String)> {
    let table = fs::read_to_string("c/entry_points.h").expect("the table of entry points");
    let row = |line: &str| {
        let (_, row) = line.split_once('(')?;
        let mut words = row.split(", ").map(str::to_owned);
        let (symbol, since) = (words.next()?, words.next()?);
        since.parse::<u32>().is_ok().then_some((symbol, since))
    };
    table.lines().filter_map(row).collect()
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

fn compile(out: &Path, header: Option<&Path>) {
    let mut build = cc::Build::new();
    let mut command =
        build.pic(true).debug(false).warnings(false).opt_level(2).get_compiler().to_command();
    command.args(["-std=c11", "-D_DEFAULT_SOURCE", "-shared", "-fPIC", "-fvisibility=hidden"]);
    command.args(["-Wall", "-Wextra", "-Wl,-soname,libcuda.so.1", "-Wl,-Bsymbolic", "-Wl,-z,defs"]);
    if let Some(directory) = header {
        command.arg("-DSIMULATED_CUDA_WITH_HEADER").arg("-isystem").arg(directory);
    }
    command.arg("-I").arg(out).args(sources()).arg("-o").arg(out.join("libcuda.so.1"));
    command.args(["-ldl", "-lpthread"]);
    let output = command.output().expect("a C compiler");
    let with = header.map_or(String::new(), |header| format!(" with {}/cuda.h", header.display()));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the simulated driver does not compile{with}:\n{complaint}");
}
