//! Lines of text for people. What a program chose itself is shown without control characters and cut.

use std::fmt::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

/// Before every line that stands among the program's own.
pub const PREFIX: &str = "cuda-contexts: ";

/// A part of a line that is longer is cut.
const LONGEST: usize = 300;

/// A line. The stream takes its colours out if nobody sees them.
#[derive(Debug, Clone, Default)]
pub struct Line {
    indent: usize,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    style: Style,
    text: String,
    varies: bool,
}

impl Line {
    pub fn prefixed() -> Self {
        Self::default().text(PREFIX)
    }

    pub fn indented(mut self, indent: usize) -> Self {
        self.indent = indent;
        self
    }

    pub fn text(self, text: impl Into<String>) -> Self {
        self.part(Style::new(), text)
    }

    /// Adds a time, a process or a thread: the part in which processes differ that do the same.
    pub fn varying(self, text: impl Into<String>) -> Self {
        self.text(text).that_varies()
    }

    /// Adds what must be seen first.
    pub fn stray(self, text: impl Into<String>) -> Self {
        self.part(AnsiColor::Red.on_default().bold(), text)
    }

    /// Adds what restricts the rest.
    pub fn warning(self, text: impl Into<String>) -> Self {
        self.part(AnsiColor::Yellow.on_default(), text)
    }

    /// Adds what people look for.
    pub fn heading(self, text: impl Into<String>) -> Self {
        self.part(Style::new().bold(), text)
    }

    pub fn code(self, text: impl Into<String>) -> Self {
        self.part(AnsiColor::Cyan.on_default(), text)
    }

    /// Adds what is seldom needed.
    pub fn faint(self, text: impl Into<String>) -> Self {
        self.part(Style::new().dimmed(), text)
    }

    fn part(mut self, style: Style, text: impl Into<String>) -> Self {
        self.parts.push(Part { style, text: text.into(), varies: false });
        self
    }

    /// Makes the last part one in which processes differ.
    pub fn that_varies(mut self) -> Self {
        if let Some(part) = self.parts.last_mut() {
            part.varies = true;
        }
        self
    }

    /// What is equal in processes that do the same.
    pub fn key(&self) -> String {
        let fixed = self.parts.iter().filter(|part| !part.varies);
        fixed.map(|part| &*part.text).collect()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:indent$}", "", indent = self.indent)?;
        for Part { style, text, .. } in &self.parts {
            write!(formatter, "{style}{}{style:#}", shown(text, LONGEST))?;
        }
        Ok(())
    }
}

/// The text without control characters, cut after so many characters.
pub fn shown(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for (index, letter) in text.chars().enumerate() {
        if index >= limit {
            shown.push('…');
            break;
        }
        if is_control(letter) {
            write!(shown, "{}", letter.escape_default()).expect("memory takes it");
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// What moves the cursor or reorders text.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A time since the command started.
pub fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// A number of things: `1 stray`, `2 strays`.
pub fn counted(count: u64, one: &str, more: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {more}") }
}

/// The first few items, and how many there are beyond them.
pub fn list(items: &[String], most: usize) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if items.len() <= most => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", items[..most].join(", "), items.len() - most),
    }
}

#[cfg(test)]
mod tests {
    use super::{list, shown};

    #[test]
    fn control_characters_are_shown_as_escapes_and_long_texts_are_cut() {
        let title = "a\x1b[31m\nSTRAY\r\x07\u{9b}\u{202e}b\u{e0041}";
        assert_eq!(shown(title, 99), r"a\u{1b}[31m\nSTRAY\r\u{7}\u{9b}\u{202e}b\u{e0041}");
        assert_eq!([shown("naïve ✓", 99), shown("abcdef", 3)], ["naïve ✓", "abc…"]);
    }

    #[test]
    fn a_list_names_the_first_few() {
        let items = ["a", "b", "c", "d"].map(str::to_owned);
        assert_eq!([list(&items[..1], 3), list(&items[..3], 3)], ["a", "a, b and c"]);
        assert_eq!(list(&items, 3), "a, b, c and 1 more");
    }
}
