//! What the bindings declare, read from their text. bindgen's output is regular enough for that: the
//! values compared are the compilers', this only says what to ask them for.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Declarations {
    /// Structures and unions, each with its fields in order.
    pub records: BTreeMap<String, Vec<Field>>,
    /// Enumerations, which are newtypes.
    pub enumerations: BTreeSet<String>,
    /// The values of enumerations, as (enumeration, value).
    pub values: Vec<(String, String)>,
    /// Other names of types: `CUdevice`, `CUresult`, `PFN_cuInit_v2000`.
    pub aliases: BTreeSet<String>,
    /// Macros that are numbers.
    pub macros: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    /// The name of its type, where that is a plain name.
    pub kind: String,
}

impl Field {
    /// Whether C has no name for it, so that its own fields are its parent's.
    pub fn is_anonymous(&self) -> bool {
        self.name.starts_with("__bindgen_anon_")
    }

    /// The name in C: bindgen appends an underscore to what is a word of Rust.
    pub fn in_c(&self) -> &str {
        match self.name.as_str() {
            "type_" | "fn_" | "match_" | "ref_" | "final_" => self.name.trim_end_matches('_'),
            name => name,
        }
    }
}

impl Declarations {
    pub fn read(bindings: &str) -> Self {
        let mut found = Self::default();
        let bindings = bindings.split("pub mod functions {").next().unwrap_or_default();
        let mut lines = bindings.lines();
        while let Some(line) = lines.next() {
            if let Some(name) = opened(line) {
                let body = lines.by_ref().take_while(|line| *line != "}");
                let fields: Vec<Field> = body.filter_map(field).collect();
                // An opaque type is declared in C, and never defined.
                if !fields.is_empty() {
                    found.records.insert(name, fields);
                }
            } else if let Some(name) = line.strip_prefix("pub struct ").and_then(newtype) {
                found.enumerations.insert(name);
            } else if let Some(rest) = line.strip_prefix("pub type ") {
                found.aliases.insert(up_to(rest, " ="));
            } else if let Some((_, alias)) = line.strip_prefix("pub use self::").and_then(renamed) {
                found.aliases.insert(alias);
            } else if let Some(rest) = line.strip_prefix("pub const ") {
                found.macros.insert(up_to(rest, ":"));
            } else if let Some(rest) = line.strip_prefix("    pub const ") {
                let (value, rest) = rest.split_once(": ").expect("a constant has a type");
                found.values.push((up_to(rest, " ="), value.to_owned()));
            }
        }
        found
    }
}

/// `pub struct CUuuid_st {`
fn opened(line: &str) -> Option<String> {
    let rest = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub union "))?;
    rest.strip_suffix(" {").map(str::to_owned)
}

/// `    pub bytes: [::core::ffi::c_char; 16usize],`
fn field(line: &str) -> Option<Field> {
    let (name, kind) = line.strip_prefix("    pub ")?.split_once(": ")?;
    let kind = kind.trim_end_matches(',');
    Some(Field { name: name.to_owned(), kind: kind.to_owned() })
}

/// `CUctx_flags_enum(pub ::core::ffi::c_uint);`
fn newtype(rest: &str) -> Option<String> {
    let (name, inner) = rest.split_once('(')?;
    inner.starts_with("pub ").then(|| name.to_owned())
}

/// `CUctx_flags_enum as CUctx_flags;`
fn renamed(rest: &str) -> Option<(String, String)> {
    let (name, alias) = rest.strip_suffix(';')?.split_once(" as ")?;
    Some((name.to_owned(), alias.to_owned()))
}

fn up_to(text: &str, end: &str) -> String {
    text.split(end).next().unwrap_or_default().to_owned()
}
