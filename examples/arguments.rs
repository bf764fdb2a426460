//! Reading the value of an option. An error names the option and what it takes.

use std::ffi::OsString;
use std::str::FromStr;

use lexopt::Parser;

/// Returns a value that need not be UTF-8, such as a path.
pub fn os_value(parser: &mut Parser, option: &str, accepted: &str) -> Result<OsString, String> {
    parser.value().map_err(|_| format!("{option} needs a value: {accepted}"))
}

/// Returns a parsed value.
pub fn value<T: FromStr>(parser: &mut Parser, option: &str, accepted: &str) -> Result<T, String> {
    let value = os_value(parser, option, accepted)?;
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| format!("{option} takes {accepted}, not {value:?}"))
}
