//! Events as lines of JSON, for programs. The README has the schema.

mod background;
mod end;
mod schema;
#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::model::Model;
use crate::options::Options;
use crate::record::Record;
use crate::report::Surroundings;
use crate::symbols::Symbols;
use crate::untraced::Untraced;

pub use background::Background;
use end::End;
use schema::{Line, Trace};

/// The version of the schema: raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// A file of such lines.
#[derive(Debug)]
pub struct JsonLines<To: Write>(BufWriter<To>);

impl JsonLines<Background> {
    /// Waits until the file has taken everything, or for so long.
    ///
    /// # Errors
    ///
    /// When the file did not take everything.
    pub fn finish(&mut self, longest: Option<Duration>) -> io::Result<()> {
        self.flush()?;
        self.0.get_mut().finish(longest)
    }
}

impl<To: Write> JsonLines<To> {
    /// Writes to this.
    pub fn new(to: To) -> Self {
        Self(BufWriter::new(to))
    }

    /// The first line: what is run, and on which driver.
    ///
    /// # Errors
    ///
    /// When it cannot be written, as with those below.
    pub fn begin(&mut self, options: &Options, driver: Option<&Path>) -> io::Result<()> {
        self.line(&Line::Trace(Trace::new(options, driver)))
    }

    /// The event of a record, which the model has taken in already.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn record(
        &mut self,
        record: &Record,
        model: &Model,
        symbols: &mut Symbols,
    ) -> io::Result<()> {
        match Line::of(record, model, symbols) {
            Some(line) => self.line(&line),
            None => Ok(()),
        }
    }

    /// A driver that is not traced.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn untraced(&mut self, time: Duration, untraced: &Untraced) -> io::Result<()> {
        self.line(&Line::Untraced { time: time.as_secs_f64(), untraced })
    }

    /// The last line: what is left.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn end(
        &mut self,
        time: Duration,
        status: ExitStatus,
        model: &Model,
        about: &Surroundings,
    ) -> io::Result<()> {
        self.line(&Line::End(End::new(time, status, model, about)))
    }

    /// Lets others see the lines.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, line)?;
        self.0.write_all(b"\n")
    }
}
