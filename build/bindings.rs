//! Bindings from a folder's headers, by bindgen.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;

use bindgen::{Builder, EnumVariation, Formatter, RustEdition, RustTarget};

use crate::function_table;

/// Generates the bindings, as Rust source.
pub fn generate(folder: &Path) -> Result<String, String> {
    // Of libclang's variables bindgen names its own; these two are read for it by clang-sys.
    for variable in ["LIBCLANG_PATH", "LLVM_CONFIG_PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let builder = builder(folder)?;
    // Where libclang cannot be loaded, bindgen panics: the user is owed the reason, not a backtrace.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let answer = catch_unwind(AssertUnwindSafe(|| builder.generate()));
    set_hook(hook);
    match answer {
        Ok(Ok(bindings)) => {
            let header = read(&folder.join("cuda.h"))?;
            let typedefs = read(&folder.join("cudaTypedefs.h"))?;
            let bindings = named_codes(&unsigned(&bindings.to_string(), &header))?;
            let bindings = only_linked(&bindings)?;
            let table = function_table::table(&typedefs, &bindings);
            Ok(bindings + &table.map_err(|error| error.to_string())?)
        }
        Ok(Err(error)) => Err(explain(&error.to_string())),
        Err(panic) => {
            Err(explain(panic.downcast_ref::<String>().map_or("bindgen stopped", String::as_str)))
        }
    }
}

fn builder(folder: &Path) -> Result<Builder, String> {
    let newtype = EnumVariation::NewType { is_bitfield: false, is_global: false };
    Ok(Builder::default()
        .header("wrapper.h")
        .clang_arg(format!("-I{}", folder.display()))
        .allowlist_item("(cu|CU|PFN_cu).*")
        // A driver may answer with a value that this header does not know: for a Rust enum that
        // would be undefined behaviour, for a newtype it is a number.
        .default_enum_style(newtype)
        .must_use_type("cudaError_enum")
        .prepend_enum_name(false)
        .generate_comments(false)
        .layout_tests(true)
        .use_core()
        .merge_extern_blocks(true)
        .sort_semantically(true)
        // The output must not depend on the machine's toolchain: it is also what is checked in.
        .disable_header_comment()
        .rust_target(RustTarget::stable(85, 0).map_err(|error| error.to_string())?)
        .rust_edition(RustEdition::Edition2024)
        .formatter(Formatter::Prettyplease)
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new())))
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// bindgen reckons `~0u` to be -1: a number that C takes for unsigned is unsigned here, too.
fn unsigned(bindings: &str, header: &str) -> String {
    let corrected = |line: &str| {
        let (name, value) = line.strip_prefix("pub const ")?.split_once(": i32 = ")?;
        let mut definitions = header.lines().filter_map(|line| line.strip_prefix("#define "));
        let definition = definitions.find_map(|rest| rest.strip_prefix(name)?.strip_prefix(' '))?;
        let value: i32 = value.strip_suffix(';')?.parse().ok()?;
        let is_unsigned = definition.trim_end_matches([')', ' ']).ends_with(['u', 'U']);
        is_unsigned.then(|| format!("pub const {name}: u32 = {};", value as u32))
    };
    bindings.lines().map(|line| corrected(line).unwrap_or(line.to_owned()) + "\n").collect()
}

/// The crate's own `Debug` of result codes names them; a derived one would be in its place.
fn named_codes(bindings: &str) -> Result<String, String> {
    const DERIVED: &str =
        "#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]\npub struct cudaError_enum";
    match bindings.matches(DERIVED).count() {
        1 => Ok(bindings.replacen(DERIVED, &DERIVED.replacen("Debug, ", "", 1), 1)),
        times => Err(format!("expected one type of result codes, got {times}")),
    }
}

/// Function declarations make sense only for a program that links against the driver.
fn only_linked(bindings: &str) -> Result<String, String> {
    const BLOCK: &str = "\nunsafe extern \"C\" {\n";
    const ATTRIBUTES: &str = "\n#[cfg(feature = \"linked\")]\n#[link(name = \"cuda\")]";
    match bindings.matches(BLOCK).count() {
        1 => Ok(bindings.replacen(BLOCK, &format!("{ATTRIBUTES}{BLOCK}"), 1)),
        blocks => Err(format!("expected one block of declarations, got {blocks}")),
    }
}

/// Adds the fix to what bindgen says when libclang or its own headers are missing.
fn explain(reason: &str) -> String {
    let fix = if reason.contains("libclang") {
        "bindgen needs libclang (Debian: libclang1-14 and libclang-common-14-dev, or name the \
         folder of libclang.so in LIBCLANG_PATH)"
    } else if reason.contains("stddef.h") || reason.contains("stdlib.h") {
        "this libclang comes without its builtin headers (Debian: libclang-common-14-dev; or name \
         a folder that has stddef.h: BINDGEN_EXTRA_CLANG_ARGS=-I/path)"
    } else {
        "libclang could not read the header"
    };
    format!("{fix}: {}", reason.trim())
}
