//! What is asked of both compilers, in the words of each.

use std::collections::BTreeMap;

use super::declarations::{Declarations, Field};

/// A number that both compilers know.
#[derive(Debug, Clone)]
pub struct Question {
    pub kind: &'static str,
    pub name: String,
    pub rust: String,
    pub c: String,
}

/// The header after the preprocessor, in which C's names are looked up.
pub struct Header(pub String);

impl Header {
    /// Whether the word stands anywhere in it.
    pub fn has(&self, word: &str) -> bool {
        self.after(word, "").is_some()
    }

    /// Whether a type of this tag is declared.
    fn has_tag(&self, kind: &str, tag: &str) -> bool {
        self.after(tag, &format!("{kind} ")).is_some()
    }

    fn after(&self, word: &str, before: &str) -> Option<usize> {
        let is_part = |character: char| character == '_' || character.is_ascii_alphanumeric();
        let wanted = format!("{before}{word}");
        self.0.match_indices(&wanted).map(|(start, _)| start).find(|start| {
            !self.0[..*start].ends_with(is_part)
                && !self.0[start + wanted.len()..].starts_with(is_part)
        })
    }

    /// C's name for a type that has one.
    fn name_of(&self, rust: &str) -> Option<String> {
        let tagged = ["struct", "union", "enum"].into_iter().find(|kind| self.has_tag(kind, rust));
        match tagged {
            Some(kind) => Some(format!("{kind} {rust}")),
            None => self.has(rust).then(|| rust.to_owned()),
        }
    }
}

/// Everything that both know, and the types that C has no way to name.
pub fn questions(declarations: &Declarations, header: &Header) -> (Vec<Question>, Vec<String>) {
    let names = names(declarations, header);
    let mut questions = Vec::new();
    let mut ask = |kind, name: String, rust: String, c: String| {
        questions.push(Question { kind, name, rust, c });
    };
    let plain = declarations.aliases.iter().chain(&declarations.enumerations);
    let plain = plain.filter_map(|rust| Some((rust.clone(), header.name_of(rust)?)));
    let records = declarations
        .records
        .keys()
        .filter_map(|rust| Some((rust.clone(), names.get(rust)?.clone())));
    for (rust, c) in plain.chain(records) {
        ask("size", rust.clone(), format!("size_of::<sys::{rust}>()"), format!("sizeof({c})"));
        ask(
            "alignment",
            rust.clone(),
            format!("align_of::<sys::{rust}>()"),
            format!("_Alignof({c})"),
        );
    }
    for (record, fields) in &declarations.records {
        let Some(c) = names.get(record) else { continue };
        for (path, place) in leaves(fields, "", declarations) {
            let name = format!("{record}.{place}");
            ask(
                "offset",
                name.clone(),
                format!("offset_of!(sys::{record}, {path})"),
                format!("offsetof({c}, {place})"),
            );
            ask(
                "field size",
                name,
                format!("field!(sys::{record}, {path})"),
                format!("sizeof((({c} *)0)->{place})"),
            );
        }
    }
    for (enumeration, value) in &declarations.values {
        let name = format!("{enumeration}::{value}");
        ask("value", name, format!("sys::{enumeration}::{value}.0"), value.clone());
    }
    for constant in &declarations.macros {
        ask("macro", constant.clone(), format!("sys::{constant}"), constant.clone());
    }
    let unnamed = declarations.records.keys().filter(|rust| !names.contains_key(*rust));
    (questions, unnamed.cloned().collect())
}

/// C's names for the structures and unions: their own, or what their parent's field says they are.
fn names(declarations: &Declarations, header: &Header) -> BTreeMap<String, String> {
    let own =
        declarations.records.keys().filter_map(|rust| Some((rust.clone(), header.name_of(rust)?)));
    let mut names: BTreeMap<String, String> = own.collect();
    loop {
        let mut found = BTreeMap::new();
        for (parent, fields) in &declarations.records {
            let Some(c) = names.get(parent) else { continue };
            for (_, place, field) in walk(fields, "", "", declarations) {
                let kind = element(&field.kind);
                if declarations.records.contains_key(kind) && !names.contains_key(kind) {
                    let index = if field.kind.starts_with('[') { "[0]" } else { "" };
                    found
                        .insert(kind.to_owned(), format!("__typeof__((({c} *)0)->{place}{index})"));
                }
            }
        }
        if found.is_empty() {
            return names;
        }
        names.extend(found);
    }
}

/// `CUuuid` for `[CUuuid; 4usize]`.
fn element(kind: &str) -> &str {
    match kind.strip_prefix('[') {
        Some(array) => array.split(';').next().unwrap_or_default(),
        None => kind,
    }
}

/// The fields that C can name, as (path in Rust, path in C): those of an anonymous one are its
/// parent's.
fn leaves(fields: &[Field], rust: &str, declarations: &Declarations) -> Vec<(String, String)> {
    let fields = walk(fields, rust, "", declarations);
    fields.into_iter().map(|(rust, c, _)| (rust, c)).collect()
}

fn walk<'a>(
    fields: &'a [Field],
    rust: &str,
    c: &str,
    declarations: &'a Declarations,
) -> Vec<(String, String, &'a Field)> {
    let mut found = Vec::new();
    for field in fields {
        let path = format!("{rust}{}", field.name);
        match declarations.records.get(&field.kind) {
            Some(inner) if field.is_anonymous() => {
                found.extend(walk(inner, &format!("{path}."), c, declarations));
            }
            _ => found.push((path, format!("{c}{}", field.in_c()), field)),
        }
    }
    found
}
