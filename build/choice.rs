//! The choice of the raw layer: generated from a header, or checked in.
//!
//! A crate's public API must be the same on every machine. So a header that was merely found is used
//! only if its bindings have all that the checked-in ones have. A header that was demanded is used
//! whatever it has, or the build stops and says why not: nobody sees the warnings of a dependency.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::header::{self, HEADERS, dotted};
use crate::public_names::public_names;
use crate::toolkit_search::{DEMAND, Machine, PLACES, Place};
use crate::watched::Watched;

/// The checked-in bindings, in the package's folder.
pub const CHECKED_IN: &str = "src/sys/bindings.rs";

/// The raw layer that was chosen.
#[derive(Debug)]
pub struct Choice {
    /// What the library tells in `sys::SOURCE`.
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
pub fn choose(
    machine: &Machine,
    watched: &mut Watched,
    generator: Option<Generator>,
) -> Result<Choice, String> {
    let demand = machine.named(DEMAND, watched);
    match (generator, demand) {
        (None, Some(_)) => Err(format!(
            "{DEMAND} demands a header, and without the feature `bindgen` none is read: turn the \
             feature on, or unset the variable"
        )),
        (None, None) => Ok(checked_in("the feature `bindgen` is off")),
        (Some(generator), Some(folder)) => demanded(machine, watched, generator, &folder?),
        (Some(generator), None) => hinted(machine, watched, generator),
    }
}

fn checked_in(reason: &str) -> Choice {
    Choice { source: format!("checked in: {reason}"), generated: None }
}

/// The header that was demanded, or why not.
fn demanded(
    machine: &Machine,
    watched: &mut Watched,
    generator: Generator,
    named: &Path,
) -> Result<Choice, String> {
    let folder = machine.package.join(named);
    let unset = "or unset the variable: then the build looks for a toolkit by itself, and has \
                 checked-in bindings where it finds none that can be used";
    let refused = |why: &str| {
        let place = machine.written(named);
        format!("{DEMAND} is set to {place}: {why}.\nName another folder, {unset}.")
    };
    if let Some(lacking) = HEADERS.iter().find(|header| !watched.is_file(&folder.join(header))) {
        let mut why = format!("there is no {}", folder.join(lacking).display());
        let serves = |inner: &PathBuf| HEADERS.iter().all(|header| inner.join(header).is_file());
        if let Some(inner) = machine.include_folders(&folder).into_iter().find(serves) {
            why += &format!(", but in {}, which is the one to name", inner.display());
        }
        return Err(refused(&why));
    }
    let version = version_of(&folder).map_err(|why| refused(&why))?;
    if version < header::OLDEST {
        return Err(refused(&format!(
            "its cuda.h is of CUDA {}, and {} is the oldest with all that the safe layer uses",
            dotted(version),
            dotted(header::OLDEST)
        )));
    }
    let bindings = generator(&folder).map_err(|why| refused(&why))?;
    let source = format!("generated from cuda.h {}", dotted(version));
    Ok(Choice { source, generated: Some(Generated { folder, bindings }) })
}

/// The first hint that serves, or the checked-in bindings.
fn hinted(
    machine: &Machine,
    watched: &mut Watched,
    generator: Generator,
) -> Result<Choice, String> {
    let mut passed_over = Vec::new();
    let mut seen = BTreeSet::new();
    for place in PLACES {
        let folders = match machine.folders(place, watched) {
            Ok(folders) => folders,
            Err(why) => {
                passed_over.push(why);
                continue;
            }
        };
        let mut found = false;
        for folder in &folders {
            if !watched.is_file(&folder.join(HEADERS[0])) {
                continue;
            }
            found = true;
            // Several hints often lead to one toolkit, and one folder of it to another by a link.
            if !seen.insert(fs::canonicalize(folder).unwrap_or(folder.clone())) {
                continue;
            }
            match serving(machine, watched, generator, folder) {
                Ok((version, bindings)) => {
                    let source = format!("generated from cuda.h {}", dotted(version));
                    let generated = Some(Generated { folder: folder.clone(), bindings });
                    return Ok(Choice { source: source + &told(&passed_over), generated });
                }
                Err(why) => passed_over.push(format!("{}: {why}", named_by(place, folder))),
            }
        }
        if let (false, Place::Variable(variable), Some(first)) = (found, place, folders.first()) {
            passed_over.push(format!("{variable}: no cuda.h in {}", first.display()));
        }
    }
    let reason = match passed_over.is_empty() {
        true => "no cuda.h was found",
        false => "no cuda.h that was found can be used",
    };
    Ok(checked_in(&(reason.to_owned() + &told(&passed_over))))
}

/// The bindings from a folder, if they have all that the checked-in ones have; or why not.
fn serving(
    machine: &Machine,
    watched: &mut Watched,
    generator: Generator,
    folder: &Path,
) -> Result<(u32, String), String> {
    let checked_in_path = machine.package.join(CHECKED_IN);
    watched.is_file(&checked_in_path);
    let checked_in = read(&checked_in_path)?;
    let least = checked_in.lines().find_map(|line| {
        line.strip_prefix("pub const CUDA_VERSION: u32 = ")?.strip_suffix(';')?.parse().ok()
    });
    let least: u32 = least.ok_or("the checked-in bindings have no CUDA_VERSION")?;

    let version = version_of(folder)?;
    if version < least {
        let (version, least) = (dotted(version), dotted(least));
        return Err(format!("cuda.h {version} is older than the checked-in bindings, {least}"));
    }
    if !watched.is_file(&folder.join(HEADERS[1])) {
        return Err(format!("there is no {} beside cuda.h", HEADERS[1]));
    }
    let bindings = generator(folder)?;
    let (have, want) = (public_names(&bindings), public_names(&checked_in));
    let lacking: Vec<&String> = want.difference(&have).collect();
    match lacking.first() {
        None => Ok((version, bindings)),
        Some(first) => Err(format!(
            "cuda.h {} lacks {} of the checked-in names, {first} for one",
            dotted(version),
            lacking.len()
        )),
    }
}

fn version_of(folder: &Path) -> Result<u32, String> {
    let text = read(&folder.join(HEADERS[0]))?;
    header::version(&text).ok_or_else(|| "its cuda.h defines no CUDA_VERSION".to_owned())
}

/// A file's text; headers have comments in other encodings than UTF-8.
fn read(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn named_by(place: Place, folder: &Path) -> String {
    match place {
        Place::Variable(variable) => format!("{variable}, {}", folder.display()),
        Place::Toolkit(_) | Place::Headers(_) => folder.display().to_string(),
    }
}

/// What was passed over, on one line.
fn told(passed_over: &[String]) -> String {
    let all = passed_over.iter().map(|why| format!("; passed over: {}", one_line(why)));
    all.collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
