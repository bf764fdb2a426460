//! Every function that a `cuda.h` declares is exported, in all its generations: the header that
//! `CUDA_HEADER_DIR` names. Without one this is skipped, and fails where `CUDA_PRIMARY_CONTEXT_REQUIRE`
//! lists `header`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;

use simulated_libcuda::entry_points;

/// The functions, under the names that the header gives them by `#define`, too.
fn declared(header: &str) -> BTreeSet<String> {
    let mut symbols = BTreeSet::new();
    for line in header.lines() {
        let line = line.trim();
        if let Some((_, declared)) = line.split_once("CUresult CUDAAPI ") {
            symbols.extend(declared.split_once('(').map(|(name, _)| name.trim().to_owned()));
        }
        let mut words = line.split_whitespace().skip_while(|word| *word != "define").skip(1);
        let words = [words.next(), words.next(), words.next()];
        let definition = match words {
            [Some(name), Some(definition), None] if name.starts_with("cu") => definition,
            _ => continue,
        };
        for (form, suffix) in [("__CUDA_API_PTSZ(", "_ptsz"), ("__CUDA_API_PTDS(", "_ptds")] {
            let name = definition.strip_prefix(form).and_then(|rest| rest.strip_suffix(')'));
            symbols.extend(name.map(|name| format!("{name}{suffix}")));
        }
        if definition.starts_with("cu") {
            symbols.insert(definition.to_owned());
        }
    }
    // An inline function of the header.
    symbols.remove("cuGetProcAddress_v2_ptsz");
    symbols
}

#[test]
fn every_function_of_the_header_is_exported() {
    let directory = env::var_os("CUDA_HEADER_DIR").filter(|value| !value.is_empty());
    let Some(directory) = directory else {
        // Past the test harness, which shows what a passing test prints only when asked to.
        let line = b"skipped: every function of cuda.h: CUDA_HEADER_DIR names none\n";
        let _ = std::io::stderr().write_all(line);
        let required = env::var("CUDA_PRIMARY_CONTEXT_REQUIRE").unwrap_or_default();
        assert!(required.split(',').all(|name| name != "header"), "it is required");
        return;
    };
    let header = fs::read(Path::new(&directory).join("cuda.h")).unwrap();
    let declared = declared(&String::from_utf8_lossy(&header));
    assert!(declared.len() > 300, "{} functions in the header", declared.len());
    let exported: BTreeSet<_> = entry_points().map(|entry| entry.symbol.to_owned()).collect();
    let missing: Vec<_> = declared.difference(&exported).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
