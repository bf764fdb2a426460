//! Makes Rust structs and constants out of `witness/events.h`.
//!
//! It reads `enum name { A = 1, B };`, `struct name { type field; type field[N]; };`, the names in
//! `TRACE_FUNCTIONS` and the texts of other macros. Anything else stops the build.

/// The header's contents in Rust.
pub fn to_rust(header: &str) -> String {
    let (text, macros) = without_macros(&without_comments(header));
    let mut rust = macros;
    let mut rest = &*text;
    while let Some((declaration, behind)) = rest.split_once("};") {
        let (head, body) = declaration.split_once('{').expect("a declaration with a body");
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            ["enum", "trace_function"] => {} // it is made of the macro
            ["enum", _] => constants(body, &mut rust),
            ["struct", name] => structure(name, body, &mut rust),
            ref other => {
                panic!("events.h has a declaration that is no enum and no struct: {other:?}")
            }
        }
        rest = behind;
    }
    assert_eq!(rest.trim(), "", "events.h ends with something that is no declaration");
    rust
}

fn without_comments(header: &str) -> String {
    let mut parts = header.split("/*");
    let mut text = parts.next().expect("a first part").to_owned();
    for part in parts {
        text.push_str(part.split_once("*/").expect("a comment that ends").1);
    }
    text
}

/// The declarations, and what the macros say in Rust.
fn without_macros(text: &str) -> (String, String) {
    let joined = text.replace("\\\n", " ");
    let (mut declarations, mut rust) = (String::new(), String::new());
    for line in joined.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["#define", name, ..] if name.starts_with("TRACE_FUNCTIONS(") => {
                let names = words[2..]
                    .iter()
                    .map(|word| word.trim_start_matches("FUNCTION(").trim_end_matches(')'));
                list("FUNCTIONS", names.map(|name| format!("\"{name}\"")), &mut rust);
            }
            ["#define", "TRACE_LOCAL_RANKS", ..] => {
                let names = words[2..].iter().map(|word| word.trim_end_matches(',').to_owned());
                list("LOCAL_RANKS", names, &mut rust);
            }
            ["#define", name, value] if name.starts_with("TRACE_") => {
                rust += &format!("pub const {}: &str = {value};\n", &name[6..]);
            }
            [word, ..] if word.starts_with('#') => {}
            _ => declarations.extend([line, "\n"]),
        }
    }
    (declarations, rust)
}

fn list(name: &str, items: impl Iterator<Item = String>, rust: &mut String) {
    let items: Vec<String> = items.collect();
    let (count, items) = (items.len(), items.join(", "));
    *rust += &format!("pub const {name}: [&str; {count}] = [{items}];\n");
}

fn constants(body: &str, rust: &mut String) {
    let mut next = 0;
    for entry in body.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (name, value) = match entry.split_once('=') {
            Some((name, value)) => (name.trim(), number(value.trim())),
            None => (entry, next),
        };
        let name = name.strip_prefix("TRACE_").expect("a constant that begins with TRACE_");
        *rust += &format!("pub const {name}: u32 = {value};\n");
        next = value + 1;
    }
}

fn number(text: &str) -> u32 {
    let digits = text.strip_prefix("0x");
    digits.map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16)).expect("a number")
}

/// `trace_call` is `Call`. As in C, fields lie in their order, each aligned as its type is.
fn structure(name: &str, body: &str, rust: &mut String) {
    let name = camel(name);
    *rust += &format!("#[repr(C)]\n#[derive(Debug, Clone, Copy)]\npub struct {name} {{\n");
    for field in body.split(';').map(str::trim).filter(|field| !field.is_empty()) {
        let (kind, field) = field.rsplit_once(' ').expect("a type and a name");
        let kind = match kind.strip_prefix("struct ") {
            Some(structure) => camel(structure),
            None => primitive(kind).to_owned(),
        };
        let (field, kind) = match field.strip_suffix(']').and_then(|field| field.split_once('[')) {
            Some((field, count)) => (field, format!("[{kind}; {count}]")),
            None => (field, kind),
        };
        *rust += &format!("    pub {field}: {kind},\n");
    }
    *rust += "}\n// SAFETY: it has only numbers, arrays of them and structs of this kind.\n";
    *rust += &format!("unsafe impl Plain for {name} {{}}\n");
}

fn primitive(kind: &str) -> &'static str {
    match kind {
        "uint8_t" => "u8",
        "uint16_t" => "u16",
        "uint32_t" => "u32",
        "uint64_t" => "u64",
        "int32_t" => "i32",
        other => panic!("events.h has a field of the type {other}"),
    }
}

fn camel(name: &str) -> String {
    let words = name.strip_prefix("trace_").expect("a struct that begins with trace_").split('_');
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}
