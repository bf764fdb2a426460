//! Names of functions of C++ and Rust, demangled and kept short: a program chooses its own symbols.

use std::fmt::{self, Write};

use cpp_demangle::DemangleOptions;

/// A symbol that is longer is not demangled.
const LONGEST_SYMBOL: usize = 16 << 10;

/// A name that is longer loses its template arguments.
const READABLE: usize = 80;

/// And is cut if that is not enough.
const LONGEST_NAME: usize = 1000;

/// No more than this is demangled: a short symbol can stand for megabytes.
const MOST_DEMANGLED: usize = 1 << 20;

/// A name that grows until it is too long.
#[derive(Default)]
struct Name(String);

impl Write for Name {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.push_str(part);
        if self.0.len() > MOST_DEMANGLED { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Demangles the symbol of a function, without its arguments. Other names stay as they are.
pub fn demangle(symbol: &str) -> String {
    let mut name = Name::default();
    let is_whole = write_name(symbol, &mut name).is_ok();
    if name.0.len() <= READABLE {
        return name.0;
    }
    let mut short = without_template_arguments(&name.0);
    if !is_whole || short.len() > LONGEST_NAME {
        let end = (0..=LONGEST_NAME).rev().find(|&end| short.is_char_boundary(end));
        short.truncate(end.unwrap_or(0));
        short.push('…');
    }
    short
}

fn without_template_arguments(name: &str) -> String {
    let (mut short, mut depth, mut before) = (String::new(), 0_usize, ' ');
    for letter in name.chars() {
        match letter {
            // Not `->`, `operator<` and `operator>`.
            '<' if !short.ends_with("operator") && !short.ends_with("operator<") => {
                if depth == 0 {
                    short.push_str("<…");
                }
                depth += 1;
            }
            '>' if depth > 0 && before != '-' => {
                depth -= 1;
                if depth == 0 {
                    short.push('>');
                }
            }
            _ if depth == 0 => short.push(letter),
            _ => {}
        }
        before = letter;
    }
    short
}

fn write_name(symbol: &str, name: &mut Name) -> fmt::Result {
    if symbol.len() > LONGEST_SYMBOL {
        return name.write_str(symbol);
    }
    if let Ok(rust) = rustc_demangle::try_demangle(symbol) {
        return write!(name, "{rust:#}");
    }
    let options = DemangleOptions::new().no_params().no_return_type();
    match cpp_demangle::Symbol::new(symbol) {
        Ok(cpp) => cpp.structured_demangle(name, &options),
        Err(_) => name.write_str(symbol),
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_NAME, demangle, without_template_arguments};

    #[test]
    fn names_of_rust_and_of_cpp_are_demangled_without_arguments() {
        for (symbol, name) in [
            ("_ZN4c10d9something5thingEv", "c10d::something::thing"),
            ("_ZN8mooncake13ClientSession9writeBodyEmPv", "mooncake::ClientSession::writeBody"),
            ("_Z3addIiET_S0_S0_", "add<int>"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("cuInit", "cuInit"),
            ("_Z", "_Z"),
        ] {
            assert_eq!(demangle(symbol), name);
        }
    }

    #[test]
    fn a_symbol_that_stands_for_megabytes_is_cut() {
        // Each template argument is the one before it, twice.
        let doubled = |index: u32| match index {
            0 => "S_".to_owned(),
            _ => format!("S{}_", char::from_digit(index - 1, 36).unwrap().to_ascii_uppercase()),
        };
        let arguments: String =
            (1..=30).map(|index| format!("S_I{}E", doubled(index).repeat(2))).collect();
        for symbol in [
            format!("_Z1f1PIiiE{arguments}"),
            format!("_ZN1a1PIiiE{arguments}1gEv"),
            format!("_Z1fI1PIiiE{arguments}Evv"),
            "x".repeat(1 << 20),
        ] {
            assert!(demangle(&symbol).len() < LONGEST_NAME + 16, "{symbol}");
        }
    }

    #[test]
    fn a_long_name_loses_its_template_arguments() {
        let arguments = "St6vectorIiSaIiEE".repeat(60);
        let symbol = format!("_ZN8mooncake13ClientSessionI{arguments}E9writeBodyEv");
        assert_eq!(demangle(&symbol), "mooncake::ClientSession<…>::writeBody");
        let name = "a::f<std::map<int, b<c>>>::operator<<::g<b->c, (d)>";
        assert_eq!(without_template_arguments(name), "a::f<…>::operator<<::g<…>");
    }
}
