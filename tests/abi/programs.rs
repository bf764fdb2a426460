//! The two programs, and what they print: lines of a key and a value.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bindings::Function;
use super::questions::{Header, Question};

pub type Values = BTreeMap<String, String>;

/// Where programs are written and compiled; it goes with its owner.
pub struct Workshop {
    folder: PathBuf,
    headers: PathBuf,
}

const INCLUDES: &str =
    "#include <stddef.h>\n#include <stdio.h>\n#include <cuda.h>\n#include <cudaTypedefs.h>\n";

impl Workshop {
    pub fn new(headers: PathBuf) -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made under target");
        Self { folder, headers }
    }

    /// The header after the preprocessor, with every generation of every function.
    pub fn preprocess(&self) -> Header {
        let source = self.write("header.c", INCLUDES);
        let mut command = self.c_compiler();
        let output =
            command.args(["-E", "-P", "-D__CUDA_API_VERSION_INTERNAL"]).arg(source).output();
        let output = output.expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Header(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What C says.
    pub fn c_values(&self, questions: &[Question]) -> Values {
        let mut source = String::from(INCLUDES);
        source.push_str("int main(void)\n{\n");
        for Question { kind, name, c, .. } in questions {
            writeln!(source, "    printf(\"{kind} {name}\\t%lld\\n\", (long long)({c}));").unwrap();
        }
        source.push_str("    return 0;\n}\n");
        self.run_c("values", &source, &[])
    }

    /// What Rust says. The program compiles the bindings themselves, so that no value is this
    /// test's.
    pub fn rust_values(
        &self,
        questions: &[Question],
        functions: &[Function],
        bindings: &Path,
    ) -> Values {
        let mut source = include_str!("program.rs")
            .replace("BINDINGS", bindings.to_str().expect("a path in UTF-8"));
        source.push_str("const NUMBERS: &[(&str, i64)] = &[\n");
        for Question { kind, name, rust, .. } in questions {
            writeln!(source, "    (\"{kind} {name}\", {rust} as i64),").unwrap();
        }
        source.push_str("];\nconst SYMBOLS: &[(&str, &CStr)] = &[\n");
        for Function { constant, .. } in functions {
            writeln!(source, "    (\"symbol {constant}\", sys::functions::{constant}.symbol()),")
                .unwrap();
        }
        source.push_str("];\n");
        let program = self.folder.join("rust");
        let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(compiler);
        command
            .args(["--edition", "2024", "-o"])
            .arg(&program)
            .arg(self.write("values.rs", &source));
        run(&mut command);
        values(&run(&mut Command::new(program)))
    }

    /// The symbol that each function's name stands for.
    pub fn c_symbols(&self, names: &BTreeSet<&str>, per_thread: bool) -> Values {
        let mut source = String::from(INCLUDES);
        source.push_str("#define TEXT(name) TEXT_OF(name)\n#define TEXT_OF(name) #name\n");
        source.push_str("int main(void)\n{\n");
        for name in names {
            writeln!(source, "    printf(\"{name}\\t%s\\n\", TEXT({name}));").unwrap();
        }
        source.push_str("    return 0;\n}\n");
        match per_thread {
            false => self.run_c("symbols", &source, &[]),
            true => self.run_c("per_thread", &source, &["-DCUDA_API_PER_THREAD_DEFAULT_STREAM"]),
        }
    }

    /// Whether a function as it is declared has its function type: 1 or 0.
    pub fn c_types(&self, functions: &[&Function]) -> Values {
        let mut source = String::from(INCLUDES);
        source.push_str("int main(void)\n{\n");
        for Function { constant, symbol, .. } in functions {
            writeln!(
                source,
                "    printf(\"type {constant}\\t%d\\n\", \
                 __builtin_types_compatible_p(__typeof__(&{symbol}), PFN_{constant}));"
            )
            .unwrap();
        }
        source.push_str("    return 0;\n}\n");
        self.run_c("types", &source, &["-D__CUDA_API_VERSION_INTERNAL"])
    }

    fn run_c(&self, name: &str, source: &str, options: &[&str]) -> Values {
        let program = self.folder.join(name);
        let mut command = self.c_compiler();
        command.args(options).args(["-std=gnu11", "-w", "-o"]).arg(&program);
        command.arg(self.write(&format!("{name}.c"), source));
        run(&mut command);
        values(&run(&mut Command::new(program)))
    }

    fn c_compiler(&self) -> Command {
        let mut command = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
        command.arg("-I").arg(&self.headers);
        command
    }

    fn write(&self, name: &str, source: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, source).expect("a file can be written under target");
        path
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

fn values(output: &str) -> Values {
    let pair = |line: &str| {
        let (key, value) = line.split_once('\t').expect("a line has a key and a value");
        (key.to_owned(), value.to_owned())
    };
    output.lines().map(pair).collect()
}
