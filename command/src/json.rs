//! Events as lines of JSON, for programs. The README has the schema.

mod end;
mod schema;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::model::Model;
use crate::options::Options;
use crate::record::Record;
use crate::symbols::Symbols;
use crate::untraced::Untraced;

use end::End;
use schema::{Line, Trace};

/// The version of the schema: raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// A file of such lines.
#[derive(Debug)]
pub struct JsonLines<To: Write>(BufWriter<To>);

impl JsonLines<File> {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(Self::new)
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

    /// What a record tells, which the model has taken in already.
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
        lost: u64,
        living: &[(u32, String)],
    ) -> io::Result<()> {
        self.line(&Line::End(End::new(time, status, model, lost, living)))
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
