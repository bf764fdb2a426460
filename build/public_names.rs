//! The names that bindings make public, to tell whether one set of bindings has all of another.

use std::collections::BTreeSet;

/// Every public name: items by themselves, constants of a type as `type::constant`, functions in
/// their module likewise. What bindgen numbered itself is no name of the header's.
pub fn public_names(bindings: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut container = String::new();
    for line in bindings.lines() {
        if line.starts_with("impl ") || line.starts_with("pub mod ") {
            container = words(line).nth(1).map_or(String::new(), |name| format!("{name}::"));
        }
        let item = line.trim_start();
        let inner = match line.len() - item.len() {
            0 => "",
            4 => container.as_str(),
            _ => continue,
        };
        if let Some(name) = name_of(item).filter(|name| !name.contains("__bindgen")) {
            names.insert(format!("{inner}{name}"));
        }
    }
    names
}

fn name_of(item: &str) -> Option<&str> {
    let mut words = words(item.strip_prefix("pub ")?);
    let kind = words.next()?;
    match kind {
        "type" | "const" | "struct" | "union" | "mod" => words.next(),
        // pub use self::cudaError_enum as CUresult;
        "use" => words.last(),
        _ => None,
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty() && *word != "pub")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDINGS: &str = "\
pub type CUdevice = CUdevice_v1;
pub const CUDA_VERSION: u32 = 13050;
pub use self::cudaError_enum as CUresult;
impl cudaError_enum {
    pub const CUDA_SUCCESS: cudaError_enum = cudaError_enum(0);
}
#[repr(C)]
pub struct CUuuid_st {
    pub bytes: [::core::ffi::c_char; 16usize],
}
pub union CUtensorMap_st__bindgen_ty_1 {
    pub opaque: [u64; 16usize],
}
unsafe extern \"C\" {
    pub fn cuInit(Flags: ::core::ffi::c_uint) -> CUresult;
}
pub mod functions {
    use super::*;
    pub const cuInit_v2000: Function<PFN_cuInit_v2000> =
        Function::new(c\"cuInit\", c\"cuInit\", 2000, false);
}
";

    #[test]
    fn names_are_those_of_items_and_of_constants_in_them() {
        let names = public_names(BINDINGS);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let expected = [
            "CUDA_VERSION",
            "CUdevice",
            "CUresult",
            "CUuuid_st",
            "cudaError_enum::CUDA_SUCCESS",
            "functions",
            "functions::cuInit_v2000",
        ];
        assert_eq!(names, expected);
    }
}
