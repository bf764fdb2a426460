//! Reading the value of an option.

use std::str::FromStr;

use lexopt::Parser;

/// An error names the option and what it takes.
pub fn value<T: FromStr>(parser: &mut Parser, option: &str, accepted: &str) -> Result<T, String> {
    let value = parser.value().map_err(|_| format!("{option} needs a value: {accepted}"))?;
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| format!("{option} takes {accepted}, not {value:?}"))
}
