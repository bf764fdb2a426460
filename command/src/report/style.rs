//! Colours, which the stream takes out where nobody sees them, and numbers.

use std::fmt;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

/// Before every line that stands alone among the program's own.
pub const PREFIX: &str = "cuda-contexts: ";

/// A text in a style.
#[derive(Debug)]
pub struct Styled<Text>(Style, Text);

impl<Text> Styled<Text> {
    /// What must be seen first.
    pub fn stray(text: Text) -> Self {
        Self(AnsiColor::Red.on_default().bold(), text)
    }

    /// What restricts the rest.
    pub fn warning(text: Text) -> Self {
        Self(AnsiColor::Yellow.on_default(), text)
    }

    /// What others are found by.
    pub fn heading(text: Text) -> Self {
        Self(Style::new().bold(), text)
    }

    /// Lines of code.
    pub fn code(text: Text) -> Self {
        Self(AnsiColor::Cyan.on_default(), text)
    }

    /// What is seldom needed.
    pub fn faint(text: Text) -> Self {
        Self(Style::new().dimmed(), text)
    }
}

impl<Text: fmt::Display> fmt::Display for Styled<Text> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(style, text) = self;
        write!(formatter, "{style}{text}{style:#}")
    }
}

/// A time since the command started.
#[must_use]
pub fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
