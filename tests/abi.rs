//! The bindings against C: a C program is compiled with the header that the bindings came from, a
//! Rust program with the bindings, and whatever both know must be the same.
//!
//! Compared are sizes and alignments of types, offsets and sizes of fields, values of enumerations
//! and macros, the versioned symbol that each function's name stands for, and the function types
//! against the functions' declarations. Without the header the comparison is skipped in words, and
//! fails where `CUDA_PRIMARY_CONTEXT_REQUIRE` names `header`.

#[path = "abi/bindings.rs"]
mod bindings;
#[path = "abi/declarations.rs"]
mod declarations;
#[path = "abi/programs.rs"]
mod programs;
#[path = "abi/questions.rs"]
mod questions;
#[path = "support/skips.rs"]
mod skips;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};

use bindings::Function;
use cuda_primary_context::sys::{CUDA_VERSION, SOURCE};
use declarations::Declarations;
use programs::{Values, Workshop};

const HEADER_DIR: &str = "CUDA_HEADER_DIR";

/// The folder of the header that the bindings were made from: the build's own, or the one named now.
fn headers() -> Result<PathBuf, String> {
    let built_from = option_env!("CUDA_PRIMARY_CONTEXT_HEADER_DIR").map(PathBuf::from);
    let named = env::var_os(HEADER_DIR).map(PathBuf::from);
    let folder = built_from.filter(|_| SOURCE.starts_with("generated from cuda.h ")).or(named);
    let folder = folder.ok_or_else(|| format!("{HEADER_DIR} names no header"))?;
    let header = folder.join("cuda.h");
    let text = std::fs::read_to_string(&header)
        .map_err(|error| format!("{}: {error}", header.display()))?;
    let version = format!("#define CUDA_VERSION {CUDA_VERSION}");
    match text.lines().any(|line| line.trim() == version) {
        true => Ok(folder),
        false => {
            Err(format!("{} is not of CUDA {CUDA_VERSION}, as the bindings are", header.display()))
        }
    }
}

#[test]
fn bindings_agree_with_c() {
    let headers = match headers() {
        Ok(headers) => headers,
        Err(reason) => return skips::skip("header", "the bindings against C", &reason),
    };
    compare(&headers);
}

fn compare(headers: &Path) {
    let workshop = Workshop::new(headers.to_owned());
    let text = bindings::text();
    let declarations = Declarations::read(&text);
    let functions = bindings::functions(&text);
    let header = workshop.preprocess();
    let (questions, unnamed) = questions::questions(&declarations, &header);

    let rust = workshop.rust_values(&questions, &functions, &bindings::path());
    let c = workshop.c_values(&questions);
    let (declared, undeclared): (Vec<&Function>, Vec<&Function>) =
        functions.iter().partition(|function| header.has(&function.symbol));
    let types = workshop.c_types(&declared);
    let names: BTreeSet<&str> = functions.iter().map(|function| &*function.name).collect();
    let legacy = workshop.c_symbols(&names, false);
    let per_thread = workshop.c_symbols(&names, true);

    let mut differences = differences(&rust, &c, &types);
    differences.extend(symbol_differences(&rust, &functions, &legacy, false));
    differences.extend(symbol_differences(&rust, &functions, &per_thread, true));
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );

    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for key in c.keys().chain(types.keys()) {
        *counts.entry(key.rsplit_once(' ').expect("a kind and a name").0).or_default() += 1;
    }
    counts.insert("symbol", legacy.len() + per_thread.len());
    // Whoever changes how the bindings are read must not end up comparing little.
    for (kind, least) in LEAST {
        assert!(counts[kind] >= least, "{counts:?}");
    }
    let undeclared: Vec<&str> = undeclared.iter().map(|function| &*function.symbol).collect();
    skips::say(&format!(
        "the bindings ({SOURCE}) against C: {counts:?} alike, no difference; C has no name for {} \
         types ({}), and does not declare {} functions ({})",
        unnamed.len(),
        unnamed.join(" "),
        undeclared.len(),
        undeclared.join(" "),
    ));
}

const LEAST: [(&str, usize); 8] = [
    ("size", 700),
    ("alignment", 700),
    ("offset", 400),
    ("field size", 400),
    ("value", 600),
    ("macro", 30),
    ("symbol", 700),
    ("type", 450),
];

/// Symbols for which `cudaTypedefs.h` has no function type, so that no constant can be had.
const UNTYPED: [&str; 1] = ["cuGetProcAddress_v2_ptsz"];

/// Names that stand for a symbol which no constant of the name has.
fn symbol_differences(
    rust: &Values,
    functions: &[Function],
    names: &Values,
    per_thread: bool,
) -> Vec<String> {
    let known = |name: &str, symbol: &str| {
        functions.iter().filter(|function| function.name == name).any(|function| {
            let is_of_the_mode = per_thread || !function.per_thread;
            is_of_the_mode && rust[&format!("symbol {}", function.constant)] == symbol
        })
    };
    let typed = names.iter().filter(|(_, symbol)| !UNTYPED.contains(&symbol.as_str()));
    let wrong = typed.filter(|(name, symbol)| !known(name, symbol));
    wrong.map(|(name, symbol)| format!("{name} is {symbol} in C, and no such in Rust")).collect()
}

/// What C says and Rust does not.
fn differences(rust: &Values, c: &Values, types: &Values) -> Vec<String> {
    let differ = c.iter().filter(|(key, value)| rust.get(*key) != Some(value));
    let differ = differ.map(|(key, c)| {
        let rust = rust.get(key).map_or("nothing", String::as_str);
        format!("{key}: {c} in C, {rust} in Rust")
    });
    let wrong = types.iter().filter(|(_, alike)| *alike != "1");
    differ.chain(wrong.map(|(key, _)| format!("{key}: not as it is declared"))).collect()
}
