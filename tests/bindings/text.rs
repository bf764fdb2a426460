//! The text of the bindings that the crate was built from, and what is declared in it.

use cuda_primary_context::sys::SOURCE;

/// The file that was compiled as the raw layer.
pub fn read() -> String {
    let path = match SOURCE.starts_with("generated from cuda.h ") {
        true => concat!(env!("OUT_DIR"), "/bindings.rs"),
        false => concat!(env!("CARGO_MANIFEST_DIR"), "/src/sys/bindings.rs"),
    };
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A constant of `sys::functions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// `cuMemcpyHtoD_v7000_ptds`
    pub constant: String,
    /// `cuMemcpyHtoD`
    pub name: String,
    /// `cuMemcpyHtoD_v2_ptds`
    pub symbol: String,
    /// 7000
    pub introduced: i32,
    pub per_thread: bool,
}

pub fn functions(text: &str) -> Vec<Function> {
    let table = text.split_once("pub mod functions {").expect("the bindings have the table").1;
    let items = table.split("pub const ").skip(1);
    items.map(|item| function(item).unwrap_or_else(|| panic!("not understood: {item}"))).collect()
}

/// `cuInit_v2000: Function<PFN_cuInit_v2000> = Function::new(c"cuInit", c"cuInit", 2000, false);`
fn function(item: &str) -> Option<Function> {
    let (constant, rest) = item.split_once(": Function<")?;
    let arguments = rest.split_once("Function::new(")?.1.split_once(')')?.0;
    let fields: Vec<&str> = arguments.split(',').map(str::trim).collect();
    let [name, symbol, introduced, per_thread] = fields[..] else { return None };
    let text = |field: &str| Some(field.strip_prefix("c\"")?.strip_suffix('"')?.to_owned());
    Some(Function {
        constant: constant.to_owned(),
        name: text(name)?,
        symbol: text(symbol)?,
        introduced: introduced.parse().ok()?,
        per_thread: per_thread.parse().ok()?,
    })
}
