//! Makes the table of the driver's functions from `cudaTypedefs.h`, and that of the names of result codes.
//!
//! Every `PFN_cuName_v3020` becomes a constant `cuName_v3020` with what a look-up needs: the name and
//! version for `cuGetProcAddress`, and the exact symbol for `dlsym`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// One function type of the header, such as `PFN_cuMemcpyHtoD_v7000_ptds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionType<'a> {
    /// `cuMemcpyHtoD`
    pub name: &'a str,
    /// 7000: 1000 × major + 10 × minor of the CUDA version that introduced it.
    pub version: u32,
    /// `_ptds` or `_ptsz` for the variants that use the per-thread default stream, or nothing.
    pub stream: &'a str,
}

/// Every function type that the text declares, each once, in order.
pub fn function_types(typedefs: &str) -> BTreeSet<FunctionType<'_>> {
    typedefs.split("CUDAAPI *PFN_").skip(1).filter_map(parse).collect()
}

fn parse(text: &str) -> Option<FunctionType<'_>> {
    let full = &text[..text.find(')')?];
    let stream = ["_ptds", "_ptsz"].into_iter().find(|stream| full.ends_with(stream));
    let stream = stream.map_or("", |stream| &full[full.len() - stream.len()..]);
    let (name, version) = full[..full.len() - stream.len()].rsplit_once("_v")?;
    Some(FunctionType { name, version: version.parse().ok()?, stream })
}

/// The symbol that each function type is exported as.
///
/// The first version of a function has the bare name, the second `_v2`, and so on; a variant for
/// the per-thread default stream has the suffix of the newest version that is not newer than it.
pub fn symbols<'a>(types: &BTreeSet<FunctionType<'a>>) -> BTreeMap<FunctionType<'a>, String> {
    let symbol = |wanted: &FunctionType<'a>| {
        let versions = types.iter().filter(|other| {
            other.name == wanted.name && other.stream.is_empty() && other.version <= wanted.version
        });
        match versions.count() {
            0 | 1 => format!("{}{}", wanted.name, wanted.stream),
            generation => format!("{}_v{generation}{}", wanted.name, wanted.stream),
        }
    };
    types.iter().map(|wanted| (*wanted, symbol(wanted))).collect()
}

/// The table as Rust source, for the function types that the bindings have, too.
pub fn table(typedefs: &str, bindings: &str) -> Result<String, std::fmt::Error> {
    let types = function_types(typedefs);
    let mut source = String::from(
        "pub mod functions {\n    use crate::sys::function::Function;\n    use super::*;\n",
    );
    for (FunctionType { name, version, stream }, symbol) in symbols(&types) {
        let constant = format!("{name}_v{version}{stream}");
        if !bindings.contains(&format!("pub type PFN_{constant} =")) {
            continue;
        }
        let per_thread = !stream.is_empty();
        writeln!(
            source,
            "    pub const {constant}: Function<PFN_{constant}> =\n        \
             Function::new(c\"{name}\", c\"{symbol}\", {version}, {per_thread});"
        )?;
    }
    source += "}\n";
    Ok(source)
}

/// The names of the result codes as Rust source, in the order of their numbers.
pub fn result_names(bindings: &str) -> String {
    let mut names: Vec<(u32, &str)> =
        bindings.split("pub const ").skip(1).filter_map(result_code).collect();
    names.sort_unstable();
    let rows = names.iter().map(|(number, name)| format!("    ({number}, \"{name}\"),\n"));
    let rows: String = rows.collect();
    format!("pub(crate) const RESULT_NAMES: &[(u32, &str)] = &[\n{rows}];\n")
}

/// `CUDA_SUCCESS: cudaError_enum = cudaError_enum(0);`
fn result_code(item: &str) -> Option<(u32, &str)> {
    let (name, value) = item.split_once(": cudaError_enum")?;
    let number = value.split_once('(')?.1.split_once(')')?.0;
    Some((number.trim().trim_end_matches(',').parse().ok()?, name))
}
