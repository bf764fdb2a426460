//! Chooses the raw layer: bindings generated from the `cuda.h` at hand, or the checked-in ones.
//!
//! What it tells the library: the cfg `cuda_header` where `OUT_DIR/bindings.rs` was generated, and
//! in `CUDA_PRIMARY_CONTEXT_BINDINGS` a sentence on what was used and why.

use std::fs;
use std::path::Path;
use std::process::exit;

#[cfg(feature = "bindgen")]
#[path = "src/function_table.rs"]
mod function_table;
#[path = "src/toolkit_search.rs"]
mod toolkit_search;
use toolkit_search::{DEMAND, Machine, PYTHON_ROOTS, Search, TOOLKIT_ROOTS};

/// The oldest header with every type that the safe layer uses: the second version of
/// `cuGetProcAddress` came with 12.0.
const OLDEST_HEADER: u32 = 12_000;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(cuda_header)");
    for file in ["build.rs", "wrapper.h", "src/toolkit_search.rs", "src/function_table.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    let libclang = ["LIBCLANG_PATH", "BINDGEN_EXTRA_CLANG_ARGS"];
    for variable in [DEMAND].iter().chain(&TOOLKIT_ROOTS).chain(&PYTHON_ROOTS).chain(&libclang) {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    match choose() {
        Ok(source) => println!("cargo::rustc-env=CUDA_PRIMARY_CONTEXT_BINDINGS={source}"),
        Err(message) => {
            eprintln!("error: {message}");
            exit(1);
        }
    }
}

/// Chooses the bindings and says which; an error where a demand cannot be honoured.
fn choose() -> Result<String, String> {
    if !cfg!(feature = "bindgen") {
        if std::env::var_os(DEMAND).is_some_and(|value| !value.is_empty()) {
            warn(&format!("{DEMAND} is set, and without the feature `bindgen` no header is read"));
        }
        return Ok(checked_in("the feature `bindgen` is off"));
    }
    let architecture = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let machine = Machine {
        variable: &|name| std::env::var_os(name),
        is_file: &|path| path.is_file(),
        entries: &|folder| {
            let entries = fs::read_dir(folder).into_iter().flatten();
            entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
        },
        architecture: &architecture,
    };
    match toolkit_search::search(&machine) {
        Search::Nowhere => Ok(checked_in("no cuda.h was found")),
        Search::Unmet(message) => Err(message),
        Search::Found { folder, demanded } => from_header(&folder, demanded),
    }
}

fn from_header(folder: &Path, demanded: bool) -> Result<String, String> {
    let header = folder.join("cuda.h");
    println!("cargo::rerun-if-changed={}", header.display());
    let text = fs::read(&header).map_err(|error| format!("{}: {error}", header.display()))?;
    let Some(version) = toolkit_search::header_version(&String::from_utf8_lossy(&text)) else {
        return refuse(demanded, format!("{} defines no CUDA_VERSION", header.display()));
    };
    if version < OLDEST_HEADER {
        let reason = format!(
            "cuda.h {} is older than {}, which the safe layer needs",
            dotted(version),
            dotted(OLDEST_HEADER)
        );
        if demanded {
            warn(&format!("{reason}: the checked-in bindings are used"));
        }
        return Ok(checked_in(&reason));
    }
    match generate(folder) {
        Ok(bindings) => {
            let out = std::env::var("OUT_DIR").map_err(|error| error.to_string())?;
            let path = Path::new(&out).join("bindings.rs");
            fs::write(&path, bindings).map_err(|error| format!("{}: {error}", path.display()))?;
            println!("cargo::rustc-cfg=cuda_header");
            // For a test, which compares the bindings with C's view of the same header.
            println!("cargo::rustc-env=CUDA_PRIMARY_CONTEXT_HEADER_DIR={}", folder.display());
            Ok(format!("generated from cuda.h {}", dotted(version)))
        }
        Err(reason) => refuse(demanded, format!("no bindings from {}: {reason}", header.display())),
    }
}

/// A header that cannot be used is an error where it was demanded, and a warning elsewhere.
fn refuse(demanded: bool, reason: String) -> Result<String, String> {
    if demanded {
        return Err(format!("{reason}\n({DEMAND} demands this header; unset it to build without)"));
    }
    let line = reason.replace('\n', " ");
    warn(&format!("{line}; the checked-in bindings are used"));
    Ok(checked_in("the cuda.h that was found could not be read by libclang"))
}

fn checked_in(reason: &str) -> String {
    format!("checked in: {reason}")
}

fn warn(message: &str) {
    println!("cargo::warning={message}");
}

fn dotted(version: u32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// Runs bindgen over wrapper.h with this folder's headers.
#[cfg(feature = "bindgen")]
fn generate(folder: &Path) -> Result<String, String> {
    use bindgen::{Builder, EnumVariation, Formatter, RustEdition, RustTarget};

    let newtype = EnumVariation::NewType { is_bitfield: false, is_global: false };
    let builder = Builder::default()
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
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()));
    // Where libclang cannot be loaded, bindgen panics: the user is owed the reason, not a backtrace.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| builder.generate()));
    std::panic::set_hook(hook);
    match answer {
        Ok(Ok(bindings)) => {
            let bindings = only_linked(&unsigned(&bindings.to_string(), folder)?)?;
            Ok(bindings.clone() + &functions(folder, &bindings)?)
        }
        Ok(Err(error)) => Err(explain(&error.to_string())),
        Err(panic) => {
            Err(explain(panic.downcast_ref::<String>().map_or("bindgen stopped", String::as_str)))
        }
    }
}

#[cfg(not(feature = "bindgen"))]
fn generate(_: &Path) -> Result<String, String> {
    Err("the feature `bindgen` is off".to_owned())
}

/// bindgen reckons `~0u` to be -1: a number that C takes for unsigned is unsigned here, too.
#[cfg(feature = "bindgen")]
fn unsigned(bindings: &str, folder: &Path) -> Result<String, String> {
    let header = fs::read(folder.join("cuda.h")).map_err(|error| error.to_string())?;
    let header = String::from_utf8_lossy(&header);
    let corrected = |line: &str| {
        let (name, value) = line.strip_prefix("pub const ")?.split_once(": i32 = ")?;
        let mut definitions = header.lines().filter_map(|line| line.strip_prefix("#define "));
        let definition = definitions.find_map(|rest| rest.strip_prefix(name)?.strip_prefix(' '))?;
        let value: i32 = value.strip_suffix(';')?.parse().ok()?;
        let is_unsigned = definition.trim_end_matches([')', ' ']).ends_with(['u', 'U']);
        is_unsigned.then(|| format!("pub const {name}: u32 = {};", value as u32))
    };
    let lines = bindings.lines().map(|line| corrected(line).unwrap_or(line.to_owned()) + "\n");
    Ok(lines.collect())
}

/// Function declarations make sense only for a program that links against the driver.
#[cfg(feature = "bindgen")]
fn only_linked(bindings: &str) -> Result<String, String> {
    const BLOCK: &str = "\nunsafe extern \"C\" {\n";
    const ATTRIBUTES: &str = "\n#[cfg(feature = \"linked\")]\n#[link(name = \"cuda\")]";
    match bindings.matches(BLOCK).count() {
        1 => Ok(bindings.replacen(BLOCK, &format!("{ATTRIBUTES}{BLOCK}"), 1)),
        blocks => Err(format!("expected one block of declarations, got {blocks}")),
    }
}

/// The table of functions, which no compiler makes: it is in the names of the function types.
#[cfg(feature = "bindgen")]
fn functions(folder: &Path, bindings: &str) -> Result<String, String> {
    let path = folder.join("cudaTypedefs.h");
    let typedefs = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    function_table::table(&String::from_utf8_lossy(&typedefs), bindings)
        .map_err(|error| error.to_string())
}

/// Adds the fix to what bindgen says when libclang or its own headers are missing.
#[cfg(feature = "bindgen")]
fn explain(reason: &str) -> String {
    let fix = if reason.contains("libclang") {
        "bindgen needs libclang (Debian: libclang1-14 and libclang-common-14-dev, or name the \
         folder of libclang.so in LIBCLANG_PATH)"
    } else if reason.contains("stddef.h") || reason.contains("stdlib.h") {
        "this libclang comes without its builtin headers (Debian: libclang-common-14-dev; or name \
         a folder that has stddef.h: BINDGEN_EXTRA_CLANG_ARGS=-I/path)"
    } else {
        "the header could not be read"
    };
    format!("{}\n{fix}", reason.trim())
}
