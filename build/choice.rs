//! The choice of the raw layer: generated from a header, or checked in.
//!
//! The public API must be the same on every machine. So a header that was only found is used if its
//! bindings have every name of the checked-in ones. A header that is required is used as it is, or
//! the build fails: nobody sees the warnings of a dependency.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::header::{self, HEADERS, dotted};
use crate::toolkit_search::{Machine, REQUIRED};

/// The checked-in bindings, in the package's folder.
pub const CHECKED_IN: &str = "src/sys/bindings.rs";

/// The raw layer that was chosen.
#[derive(Debug)]
pub struct Choice {
    /// The text of `sys::SOURCE`.
    pub source: String,
    /// `None` for the checked-in bindings.
    pub generated: Option<Generated>,
}

/// Bindings and the folder of their header.
#[derive(Debug)]
pub struct Generated {
    pub folder: PathBuf,
    pub bindings: String,
}

/// Makes bindings from a folder's headers.
pub type Generator<'a> = &'a dyn Fn(&Path) -> Result<String, String>;

/// Chooses. Without a generator, which the feature `bindgen` brings, no header is looked for.
pub fn choose(machine: &Machine, generator: Option<Generator>) -> Result<Choice, String> {
    match (generator, machine.path_in(REQUIRED)) {
        (None, Some(_)) => Err(format!(
            "{REQUIRED} requires a header, but the feature `bindgen`, which reads it, is off. Turn the \
             feature on, or unset the variable."
        )),
        (None, None) => Ok(checked_in("the feature `bindgen` is off")),
        (Some(generator), Some(folder)) => from_required(machine, generator, &folder?),
        (Some(generator), None) => Ok(from_found(machine, generator)),
    }
}

fn checked_in(reason: &str) -> Choice {
    Choice { source: format!("checked in: {reason}"), generated: None }
}

/// Uses the required header, or returns why it cannot be used.
fn from_required(machine: &Machine, generator: Generator, named: &Path) -> Result<Choice, String> {
    let folder = machine.package.join(named);
    let starts_in = match named.is_relative() {
        true => format!(" (relative to the package's folder, {})", machine.package.display()),
        false => String::new(),
    };
    let refused = |why: String| {
        format!(
            "{REQUIRED} is set to {}{starts_in}: {why}.\nName another folder, or unset the variable: then the build \
             looks for a toolkit, and uses checked-in bindings if it finds none that it can use.",
            named.display()
        )
    };
    if let Some(missing) = HEADERS.iter().find(|header| !folder.join(header).is_file()) {
        let mut why = format!("there is no {}", folder.join(missing).display());
        let has_headers = |inner: &PathBuf| HEADERS.iter().all(|name| inner.join(name).is_file());
        if let Some(inner) = machine.include_folders(&folder).into_iter().find(has_headers) {
            why += &format!(", but in {}, which is the one to name", inner.display());
        }
        return Err(refused(why));
    }
    let version = version_of(&folder).map_err(refused)?;
    if version < header::OLDEST {
        return Err(refused(format!(
            "its cuda.h is of CUDA {}, and {} is the oldest with all that the safe layer uses",
            dotted(version),
            dotted(header::OLDEST)
        )));
    }
    let bindings = generator(&folder).map_err(refused)?;
    let source = format!("generated from cuda.h {}", dotted(version));
    Ok(Choice { source, generated: Some(Generated { folder, bindings }) })
}

/// Uses the first header that was found and can be used, or the checked-in bindings.
fn from_found(machine: &Machine, generator: Generator) -> Choice {
    let mut passed_over = String::new();
    let mut seen = BTreeSet::new();
    for toolkit in machine.toolkits() {
        let folder = match toolkit {
            Ok(folder) => folder,
            Err(why) => {
                passed_over += &on_one_line(&why);
                continue;
            }
        };
        // Several variables often name one toolkit.
        if !seen.insert(fs::canonicalize(&folder).unwrap_or(folder.clone())) {
            continue;
        }
        match generate_if_complete(machine, generator, &folder) {
            Ok((version, bindings)) => {
                let source = format!("generated from cuda.h {}{passed_over}", dotted(version));
                return Choice { source, generated: Some(Generated { folder, bindings }) };
            }
            Err(why) => passed_over += &on_one_line(&format!("{}: {why}", folder.display())),
        }
    }
    match passed_over.is_empty() {
        true => checked_in("no cuda.h was found"),
        false => checked_in(&format!("no cuda.h that was found can be used{passed_over}")),
    }
}

/// Cargo takes the text in one line.
fn on_one_line(why: &str) -> String {
    let words: Vec<&str> = why.split_whitespace().collect();
    format!("; passed over: {}", words.join(" "))
}

/// Returns the bindings of a folder if they have every name of the checked-in ones, or why not.
fn generate_if_complete(
    machine: &Machine,
    generator: Generator,
    folder: &Path,
) -> Result<(u32, String), String> {
    let checked_in = header::read(&machine.package.join(CHECKED_IN))?;
    let oldest = checked_in.lines().find_map(|line| {
        line.strip_prefix("pub const CUDA_VERSION: u32 = ")?.strip_suffix(';')?.parse().ok()
    });
    let oldest: u32 = oldest.ok_or("the checked-in bindings have no CUDA_VERSION")?;
    let version = version_of(folder)?;
    let dotted_version = dotted(version);
    if version < oldest {
        let oldest = dotted(oldest);
        return Err(format!(
            "cuda.h {dotted_version} is older than the checked-in bindings, {oldest}"
        ));
    }
    if !folder.join(HEADERS[1]).is_file() {
        return Err(format!("there is no {} beside cuda.h", HEADERS[1]));
    }
    let bindings = generator(folder)?;
    let names = public_names(&bindings);
    let missing: Vec<&str> = public_names(&checked_in).difference(&names).copied().collect();
    match missing.first() {
        None => Ok((version, bindings)),
        Some(first) => Err(format!(
            "cuda.h {dotted_version} lacks {} of the checked-in names, {first} for one",
            missing.len()
        )),
    }
}

fn version_of(folder: &Path) -> Result<u32, String> {
    let text = header::read(&folder.join(HEADERS[0]))?;
    header::version(&text).ok_or_else(|| "its cuda.h defines no CUDA_VERSION".to_owned())
}

/// Returns the names of items and constants. Each is unique, as C's names are. The names that bindgen numbers
/// itself are left out: they are not the header's.
pub fn public_names(bindings: &str) -> BTreeSet<&str> {
    bindings.lines().filter_map(public_name).filter(|name| !name.contains("__bindgen")).collect()
}

fn public_name(line: &str) -> Option<&str> {
    let (kind, rest) = line.trim_start().strip_prefix("pub ")?.split_once(' ')?;
    match kind {
        "type" | "const" | "struct" | "union" | "mod" => {
            let end = rest.find(|end: char| !end.is_alphanumeric() && end != '_')?;
            Some(&rest[..end])
        }
        // pub use self::cudaError_enum as CUresult;
        "use" => rest.rsplit_once(" as ")?.1.strip_suffix(';'),
        _ => None,
    }
}
