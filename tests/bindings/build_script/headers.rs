//! What is read from headers.

use crate::choice::public_names;
use crate::function_table::{function_types, result_names, symbols, table};
use crate::header::{dotted, version};

const TYPEDEFS: &str = "
    typedef CUresult (CUDAAPI *PFN_cuInit_v2000)(unsigned int Flags);
    typedef CUresult (CUDAAPI *PFN_cuCopy_v7000_ptds)(void);
    typedef CUresult (CUDAAPI *PFN_cuCopy_v3020)(void);
    #if internal
        typedef CUresult (CUDAAPI *PFN_cuCopy_v2000)(void);
    #endif
    #define PFN_cuCopy PFN_cuCopy_v3020
";

#[test]
fn version_is_read_from_the_define() {
    let text = "/* CUDA_VERSION 1 */\n#ifndef CUDA_VERSION\n#define CUDA_VERSION 12090\n";
    assert_eq!(version(text), Some(12090));
    assert_eq!(version("#  define OTHER 3\n#define CUDA_VERSION soon"), None);
    assert_eq!((dotted(12_090), dotted(11_000)), ("12.9".to_owned(), "11.0".to_owned()));
}

#[test]
fn names_are_those_of_items_and_constants() {
    let bindings = include_str!("../../../src/sys/bindings.rs");
    let names = public_names(bindings);
    for name in ["CUdevice", "CUresult", "CUuuid_st", "CUDA_ERROR_UNKNOWN", "cuInit_v2000"] {
        assert!(names.contains(name), "{name}");
    }
    // Neither fields, nor declarations, nor what bindgen numbered.
    for name in ["bytes", "cuInit", "CUtensorMap_st__bindgen_ty_1"] {
        assert!(!names.contains(name), "{name}");
    }
}

#[test]
fn symbols_count_the_versions_of_a_function() {
    let types = function_types(TYPEDEFS);
    let symbols = symbols(&types);
    let found: Vec<(u32, &str)> =
        symbols.iter().map(|(wanted, symbol)| (wanted.version, symbol.as_str())).collect();
    let expected =
        [(2000, "cuCopy"), (3020, "cuCopy_v2"), (7000, "cuCopy_v2_ptds"), (2000, "cuInit")];
    assert_eq!(found, expected);
}

#[test]
fn table_has_what_the_bindings_have() {
    let bindings = "pub type PFN_cuInit_v2000 = x;\npub type PFN_cuCopy_v7000_ptds = x;\n";
    let table = table(TYPEDEFS, bindings).unwrap();
    assert!(table.contains("Function::new(c\"cuCopy\", c\"cuCopy_v2_ptds\", 7000, true)"));
    assert!(table.contains("Function::new(c\"cuInit\", c\"cuInit\", 2000, false)"));
    assert!(!table.contains("v3020"));
}

#[test]
fn result_codes_are_named_in_the_order_of_their_numbers() {
    let bindings = "pub const CUDA_B: cudaError_enum = cudaError_enum(\n    100,\n);\n\
                    pub const CUDA_A: cudaError_enum = cudaError_enum(2);\npub const X: u32 = 1;\n";
    assert!(
        result_names(bindings)
            .ends_with("= &[\n    (2, \"CUDA_A\"),\n    (100, \"CUDA_B\"),\n];\n")
    );
    // Of the bindings in use, every one.
    let bindings = include_str!("../../../src/sys/bindings.rs");
    assert!(bindings.ends_with(&result_names(bindings)));
}
