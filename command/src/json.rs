//! Events as lines of JSON, for programs. The README has the schema.

mod background;
mod schema;
#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use crate::model::Model;
use crate::options::Options;
use crate::record::Record;
use crate::report::Surroundings;
use crate::symbols::Symbols;
use crate::untraced::Untraced;

pub use background::Background;

/// The version of the schema: it grows when a field changes its meaning or is removed.
pub const SCHEMA: u32 = 1;

/// A file of such lines. Each method fails if the file cannot be written.
#[derive(Debug)]
pub struct JsonLines<To: Write>(BufWriter<To>);

impl JsonLines<Background> {
    /// Waits until the file has taken everything, or for so long.
    #[allow(clippy::missing_errors_doc, reason = "the type says when its methods fail")]
    pub fn finish(&mut self, longest: Option<Duration>) -> io::Result<()> {
        self.flush()?;
        self.0.get_mut().finish(longest)
    }
}

#[allow(clippy::missing_errors_doc, reason = "the type says when its methods fail")]
impl<To: Write> JsonLines<To> {
    /// Writes to this.
    pub fn new(to: To) -> Self {
        Self(BufWriter::new(to))
    }

    /// The first line: what is run, and on which driver.
    pub fn begin(&mut self, options: &Options, driver: Option<&Path>) -> io::Result<()> {
        self.line(&schema::trace(options, driver))
    }

    /// The event of a record, which the model has taken in already.
    pub fn record(
        &mut self,
        record: &Record,
        model: &Model,
        symbols: &mut Symbols,
    ) -> io::Result<()> {
        schema::event(record, model, symbols).map_or(Ok(()), |line| self.line(&line))
    }

    /// A driver that is not traced.
    pub fn untraced(&mut self, time: Duration, untraced: &Untraced) -> io::Result<()> {
        self.line(&schema::untraced(time, untraced))
    }

    /// The last line: what is left.
    pub fn end(
        &mut self,
        time: Duration,
        status: ExitStatus,
        model: &Model,
        about: &Surroundings,
    ) -> io::Result<()> {
        self.line(&schema::end(time, status, model, about))
    }

    /// Lets others see the lines.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn line(&mut self, line: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, line)?;
        self.0.write_all(b"\n")
    }
}
