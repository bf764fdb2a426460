//! Bindings from a folder's headers, by bindgen.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;

use bindgen::callbacks::{ParseCallbacks, Token, TokenKind};
use bindgen::{Builder, CodegenConfig, EnumVariation, Formatter, RustEdition};

use crate::{function_table, header};

/// Generates the bindings, as Rust source: types and constants, the declarations for the feature `linked`, and
/// the tables of functions and of result codes.
pub fn generate(folder: &Path) -> Result<String, String> {
    // bindgen reports the variables that it reads itself. clang-sys reads these two.
    for variable in ["LIBCLANG_PATH", "LLVM_CONFIG_PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let everything_else = CodegenConfig::all() & !CodegenConfig::FUNCTIONS;
    let types = run(folder, everything_else)?;
    let declarations = run(folder, CodegenConfig::FUNCTIONS)?;
    let typedefs = header::read(&folder.join("cudaTypedefs.h"))?;
    let table = function_table::table(&typedefs, &types).map_err(|error| error.to_string())?;
    // Only a program that links against the driver can use the block of declarations.
    let linked = "#[cfg(feature = \"linked\")]\n#[link(name = \"cuda\")]\n";
    let names = function_table::result_names(&types);
    Ok(format!("{types}{linked}{declarations}{table}{names}"))
}

fn run(folder: &Path, kinds: CodegenConfig) -> Result<String, String> {
    let builder = builder(folder)?.with_codegen_config(kinds);
    // bindgen panics if libclang cannot be loaded. The user gets the reason instead of a backtrace.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let outcome = catch_unwind(AssertUnwindSafe(|| builder.generate()));
    set_hook(hook);
    match outcome {
        Ok(Ok(bindings)) => Ok(bindings.to_string()),
        Ok(Err(error)) => Err(explain(&error.to_string())),
        Err(panic) => {
            Err(explain(panic.downcast_ref::<String>().map_or("bindgen panicked", String::as_str)))
        }
    }
}

fn builder(folder: &Path) -> Result<Builder, String> {
    let newtype = EnumVariation::NewType { is_bitfield: false, is_global: false };
    Ok(Builder::default()
        .header("wrapper.h")
        .clang_arg(format!("-I{}", folder.display()))
        .allowlist_item("(cu|CU|PFN_cu).*")
        // A driver may return a value that this header does not know. A Rust enum would then be
        // undefined behaviour.
        .default_enum_style(newtype)
        .must_use_type("cudaError_enum")
        // The crate's own `Debug` names the codes.
        .no_debug("cudaError_enum")
        .prepend_enum_name(false)
        .generate_comments(false)
        .layout_tests(true)
        .use_core()
        .merge_extern_blocks(true)
        .sort_semantically(true)
        // The output is checked in, so it must not depend on the machine's toolchain.
        .disable_header_comment()
        .rust_target(bindgen::RustTarget::stable(85, 0).map_err(|error| error.to_string())?)
        .rust_edition(RustEdition::Edition2024)
        .formatter(Formatter::Prettyplease)
        .parse_callbacks(Box::new(UnsignedMacros))
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new())))
}

/// Corrects `~0u` in macros, which bindgen evaluates to -1.
#[derive(Debug)]
struct UnsignedMacros;

impl ParseCallbacks for UnsignedMacros {
    fn modify_macro(&self, _name: &str, tokens: &mut Vec<Token>) {
        while let Some(index) = tokens
            .windows(2)
            .position(|pair| *pair[0].raw == *b"~" && matches!(&*pair[1].raw, b"0u" | b"0U"))
        {
            let value = Token::from((TokenKind::Literal, &b"0xFFFFFFFF"[..]));
            tokens.splice(index..index + 2, [value]);
        }
    }
}

/// Adds the remedy to bindgen's message if libclang or its own headers are missing.
fn explain(reason: &str) -> String {
    let remedy = if reason.contains("libclang") {
        "bindgen needs libclang (Debian: libclang1-14 and libclang-common-14-dev, or name the \
         folder of libclang.so in LIBCLANG_PATH)"
    } else if reason.contains("stddef.h") || reason.contains("stdlib.h") {
        "this libclang comes without its builtin headers (Debian: libclang-common-14-dev; or name \
         a folder that has stddef.h: BINDGEN_EXTRA_CLANG_ARGS=-I/path)"
    } else {
        "libclang could not read the header"
    };
    format!("{remedy}: {}", reason.trim())
}
