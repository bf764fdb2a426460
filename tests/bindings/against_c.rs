//! The functions of the bindings against C: programs are compiled with the header that the bindings came
//! from, and say which symbol each function's name stands for and whether each function is declared with its
//! function type. The layout of types is checked when the bindings are compiled (bindgen's assertions).
//!
//! Without the header the comparison is skipped, and fails if `CUDA_PRIMARY_CONTEXT_REQUIRE` names `header`.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cuda_primary_context::sys::{CUDA_VERSION, SOURCE};

use crate::support::skips;
use crate::text::{self, Function};

const HEADER_DIR: &str = "CUDA_HEADER_DIR";

/// What a program prints: lines of a key and a value.
type Values = BTreeMap<String, String>;

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
    let names: BTreeSet<&str> = functions.iter().map(|function| &*function.name).collect();
    let workshop = Workshop::new(headers);
    let header = workshop.preprocess();
    let words: BTreeSet<&str> = header
        .split(|character: char| character != '_' && !character.is_ascii_alphanumeric())
        .collect();
    let declared: Vec<&Function> =
        functions.iter().filter(|function| words.contains(&*function.symbol)).collect();

    let types = workshop.types(&declared);
    let wrong = types.iter().filter(|(_, alike)| *alike != "1");
    let mut differences: Vec<String> =
        wrong.map(|(constant, _)| format!("{constant} is not as it is declared")).collect();
    for per_thread in [false, true] {
        let symbols = workshop.symbols(&names, per_thread);
        assert!(symbols.len() >= 400, "{} symbols", symbols.len());
        differences.extend(differing_symbols(&functions, &symbols, per_thread));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // A change of how the bindings are read must not end up comparing little. CUDA 12.9 has 433 symbols.
    assert!(types.len() >= 400, "{} types", types.len());
    skips::say(&format!(
        "the bindings ({SOURCE}) against C: {} symbols and {} types are alike",
        2 * names.len(),
        types.len(),
    ));
}

/// Names that stand for a symbol which no constant of the name has.
fn differing_symbols(functions: &[Function], names: &Values, per_thread: bool) -> Vec<String> {
    let is_known = |name: &str, symbol: &str| {
        functions.iter().any(|function| {
            let is_of_the_mode = per_thread || !function.per_thread;
            function.name == name && is_of_the_mode && function.symbol == symbol
        })
    };
    let typed = names.iter().filter(|(_, symbol)| !UNTYPED.contains(&symbol.as_str()));
    let wrong = typed.filter(|(name, symbol)| !is_known(name, symbol));
    wrong.map(|(name, symbol)| format!("{name} is {symbol} in C, and no such in Rust")).collect()
}

const INCLUDES: &str = "#include <stdio.h>\n#include <cuda.h>\n#include <cudaTypedefs.h>\n";

/// Where programs are written and compiled; it goes with its owner.
struct Workshop {
    folder: PathBuf,
    headers: PathBuf,
}

impl Workshop {
    fn new(headers: PathBuf) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("against-c-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made under target");
        Self { folder, headers }
    }

    /// The header after the preprocessor, with every generation of every function.
    fn preprocess(&self) -> String {
        let mut command = self.compiler("header", INCLUDES);
        run(command.args(["-E", "-P", "-D__CUDA_API_VERSION_INTERNAL"]))
    }

    /// The symbol that each function's name stands for.
    fn symbols(&self, names: &BTreeSet<&str>, per_thread: bool) -> Values {
        let mut body = String::new();
        for name in names {
            writeln!(body, "printf(\"{name}\\t%s\\n\", TEXT({name}));").unwrap();
        }
        let option = per_thread.then_some("-DCUDA_API_PER_THREAD_DEFAULT_STREAM");
        self.print("symbols", &body, option)
    }

    /// Whether a function as it is declared has its function type: 1 or 0.
    fn types(&self, functions: &[&Function]) -> Values {
        let mut body = String::new();
        for Function { constant, symbol, .. } in functions {
            let alike =
                format!("__builtin_types_compatible_p(__typeof__(&{symbol}), PFN_{constant})");
            writeln!(body, "printf(\"{constant}\\t%d\\n\", {alike});").unwrap();
        }
        self.print("types", &body, Some("-D__CUDA_API_VERSION_INTERNAL"))
    }

    fn print(&self, name: &str, body: &str, option: Option<&str>) -> Values {
        let text = "#define TEXT(name) TEXT_OF(name)\n#define TEXT_OF(name) #name\n";
        let source = format!("{INCLUDES}{text}int main(void)\n{{\n{body}return 0;\n}}\n");
        let program = self.folder.join(name);
        let mut command = self.compiler(name, &source);
        run(command.args(option).args(["-std=gnu11", "-w", "-o"]).arg(&program));
        let output = run(&mut Command::new(program));
        let pairs = output.lines().filter_map(|line| line.split_once('\t'));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn compiler(&self, name: &str, source: &str) -> Command {
        let path = self.folder.join(format!("{name}.c"));
        fs::write(&path, source).expect("a file can be written under target");
        let mut command = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
        command.arg("-I").arg(&self.headers).arg(path);
        command
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What a failed comparison was made with stays to be looked at.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("the programs print ASCII")
}
