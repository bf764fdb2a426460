//! Compiles the simulated driver, and writes the list of its entry points for the Rust side.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The C compiler's prototype check needs a `cuda.h`; these variables say where a toolkit may be.
const TOOLKIT_VARIABLES: [&str; 4] =
    ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"];
/// A demand, not a hint: a directory that must contain `cuda.h`.
const HEADER_VARIABLE: &str = "CUDA_HEADER_DIR";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let sources = sources();
    println!("cargo:rerun-if-changed=c");
    write_refused_functions(&out);
    write_entry_points(&out);

    let library = out.join("libcuda.so.1");
    match header_directory() {
        Header::Demanded(directory) => {
            succeed(
                compile(&sources, &library, Some(&directory)),
                &format!(
                    "the simulated driver does not compile with the cuda.h of {HEADER_VARIABLE}={}",
                    directory.display()
                ),
            );
        }
        Header::Found(directory) => {
            if !compile(&sources, &library, Some(&directory)).status.success() {
                println!(
                    "cargo:warning=the simulated driver does not compile with {}/cuda.h, so its prototypes go unchecked",
                    directory.display()
                );
                compile_without_header(&sources, &library);
            }
        }
        Header::Missing => compile_without_header(&sources, &library),
    }
}

enum Header {
    Demanded(PathBuf),
    Found(PathBuf),
    Missing,
}

fn header_directory() -> Header {
    println!("cargo:rerun-if-env-changed={HEADER_VARIABLE}");
    // An empty value is how a shell unsets a variable for one command.
    if let Some(directory) = env::var_os(HEADER_VARIABLE).filter(|value| !value.is_empty()) {
        let directory = PathBuf::from(directory);
        assert!(
            directory.join("cuda.h").is_file(),
            "{HEADER_VARIABLE} is set to {}, and there is no cuda.h in it",
            directory.display()
        );
        return Header::Demanded(directory);
    }
    let roots = TOOLKIT_VARIABLES
        .iter()
        .inspect(|variable| println!("cargo:rerun-if-env-changed={variable}"))
        .filter_map(env::var_os)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .chain(["/usr/local/cuda", "/opt/cuda", "/usr"].map(PathBuf::from));
    roots
        .map(|root| root.join("include"))
        .find(|directory| directory.join("cuda.h").is_file())
        .map_or(Header::Missing, Header::Found)
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

fn compile(sources: &[PathBuf], library: &Path, header: Option<&Path>) -> Output {
    let mut command = compiler();
    command.args(["-std=c11", "-D_DEFAULT_SOURCE", "-shared", "-fPIC", "-fvisibility=hidden"]);
    command.args(["-Wall", "-Wextra", "-Wl,-soname,libcuda.so.1", "-Wl,-Bsymbolic", "-Wl,-z,defs"]);
    if let Some(directory) = header {
        println!("cargo:rerun-if-changed={}", directory.join("cuda.h").display());
        command.arg("-DSIMULATED_CUDA_WITH_HEADER").arg("-isystem").arg(directory);
    }
    let generated = library.parent().expect("a file in OUT_DIR");
    command
        .arg("-I")
        .arg(generated)
        .args(sources)
        .arg("-o")
        .arg(library)
        .args(["-ldl", "-lpthread"]);
    command.output().expect("a C compiler")
}

fn compile_without_header(sources: &[PathBuf], library: &Path) {
    succeed(compile(sources, library, None), "the simulated driver does not compile");
}

fn succeed(output: Output, complaint: &str) {
    assert!(output.status.success(), "{complaint}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A line `REFUSED(symbol, since)` for each function of the list.
fn write_refused_functions(out: &Path) {
    let list = fs::read_to_string("c/refused_functions.txt").expect("the list of functions");
    let mut since = "";
    let mut header = String::new();
    for word in list.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace) {
        match word.strip_suffix(':') {
            Some(version) => since = version,
            None => header.push_str(&format!("REFUSED({word}, {since})\n")),
        }
    }
    header.push_str("#undef REFUSED\n");
    fs::write(out.join("refused_functions.h"), header).expect("a writable OUT_DIR");
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
