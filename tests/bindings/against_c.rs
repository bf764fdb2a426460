//! The functions of the bindings against C: the preprocessor says which symbol each function's name stands for
//! in the header that the bindings came from, and the compiler whether each function is declared with its
//! function type. The layout of types is checked when the bindings are compiled (bindgen's assertions).
//!
//! Without the header the comparison is skipped, and fails if `CUDA_PRIMARY_CONTEXT_REQUIRE` names `header`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cuda_primary_context::sys::{CUDA_VERSION, SOURCE};

use crate::support::skips;
use crate::text::{self, Function};

const HEADER_DIR: &str = "CUDA_HEADER_DIR";

/// Symbols for which `cudaTypedefs.h` has no function type, so that no constant can be had.
const UNTYPED: [&str; 1] = ["cuGetProcAddress_v2_ptsz"];

/// The folder of the header that the bindings were made from: the build's own, or the one named now.
fn headers() -> Result<PathBuf, String> {
    let built_from = option_env!("CUDA_PRIMARY_CONTEXT_HEADER_DIR").map(PathBuf::from);
    let named = env::var_os(HEADER_DIR).map(PathBuf::from);
    let folder = built_from.filter(|_| SOURCE.starts_with("generated from cuda.h ")).or(named);
    let folder = folder.ok_or_else(|| format!("{HEADER_DIR} names no header"))?;
    let header = folder.join("cuda.h");
    let text =
        fs::read_to_string(&header).map_err(|error| format!("{}: {error}", header.display()))?;
    let version = format!("#define CUDA_VERSION {CUDA_VERSION}");
    match text.lines().any(|line| line.trim() == version) {
        true => Ok(folder),
        false => {
            Err(format!("{} is not of CUDA {CUDA_VERSION}, as the bindings are", header.display()))
        }
    }
}

#[test]
fn functions_agree_with_c() {
    let headers = match headers() {
        Ok(headers) => headers,
        Err(reason) => return skips::skip("header", "the bindings against C", &reason),
    };
    let functions = text::functions(&text::read());
    let generations = "-D__CUDA_API_VERSION_INTERNAL";
    let header = compile(&headers, &["-E", "-P", generations], "");
    let words: BTreeSet<&str> = header
        .split(|character: char| character != '_' && !character.is_ascii_alphanumeric())
        .collect();
    let declared = functions.iter().filter(|function| words.contains(&*function.symbol));
    let assertions: Vec<String> = declared
        .map(|Function { constant, symbol, .. }| {
            let alike =
                format!("__builtin_types_compatible_p(__typeof__(&{symbol}), PFN_{constant})");
            format!("_Static_assert({alike}, \"{constant} is not as it is declared\");\n")
        })
        .collect();
    compile(&headers, &["-fsyntax-only", generations], &assertions.concat());
    // A change of how the bindings are read must not end up comparing little. CUDA 12.9 has 433 symbols.
    assert!(assertions.len() >= 400, "{} types", assertions.len());

    let names: BTreeSet<&str> = functions.iter().map(|function| &*function.name).collect();
    assert!(names.len() >= 400, "{} names", names.len());
    let lines: String = names.iter().map(|name| format!("\"{name}\" {name}\n")).collect();
    let mut differences = Vec::new();
    for (per_thread, options) in
        [(false, &["-E", "-P"][..]), (true, &["-E", "-P", "-DCUDA_API_PER_THREAD_DEFAULT_STREAM"])]
    {
        let expanded = compile(&headers, options, &lines);
        let pairs = expanded.lines().filter_map(|line| line.strip_prefix('"')?.split_once("\" "));
        let symbols: Vec<(&str, &str)> = pairs.collect();
        assert_eq!(symbols.len(), names.len(), "{expanded}");
        differences.extend(differing_symbols(&functions, &symbols, per_thread));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    skips::say(&format!(
        "the bindings ({SOURCE}) against C: {} symbols and {} types are alike",
        2 * names.len(),
        assertions.len(),
    ));
}

/// Names that stand for a symbol which no constant of the name has.
fn differing_symbols(
    functions: &[Function],
    symbols: &[(&str, &str)],
    per_thread: bool,
) -> Vec<String> {
    let is_known = |name: &str, symbol: &str| {
        functions.iter().any(|function| {
            let is_of_the_mode = per_thread || !function.per_thread;
            function.name == name && is_of_the_mode && function.symbol == symbol
        })
    };
    let typed = symbols.iter().filter(|(_, symbol)| !UNTYPED.contains(symbol));
    let wrong = typed.filter(|(name, symbol)| !is_known(name, symbol));
    wrong.map(|(name, symbol)| format!("{name} is {symbol} in C, and no such in Rust")).collect()
}

/// What the compiler prints for the headers with this text behind them.
fn compile(headers: &Path, options: &[&str], text: &str) -> String {
    let name = format!("against_c-{}.c", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let source = format!("#include <cuda.h>\n#include <cudaTypedefs.h>\n{text}");
    fs::write(&path, source).expect("a file can be written under target");
    let mut command = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command.args(["-std=gnu11", "-I"]).arg(headers).args(options).arg(&path);
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    fs::remove_file(&path).expect("the file was written above");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("the headers are ASCII")
}
