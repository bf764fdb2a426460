//! The files of `--json` and `--output`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::command::say;
use crate::file_error::with_path;
use crate::json::Background;

/// How long an interrupted command goes on writing.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// The files. One that cannot be written is reported a single time.
#[derive(Debug)]
pub struct Files {
    json: Option<BufWriter<Background>>,
    output: Option<File>,
}

/// Creates a file, or empties it. A FIFO waits until somebody reads it.
pub fn create(path: Option<&PathBuf>) -> io::Result<Option<File>> {
    path.map(|path| File::create(path).map_err(|error| with_path(error, path))).transpose()
}

impl Files {
    pub fn new(json: Option<File>, output: Option<File>) -> io::Result<Self> {
        let json = json.map(Background::new).transpose()?.map(BufWriter::new);
        Ok(Self { json, output })
    }

    /// Writes a line to the file of `--json`, if there is one.
    pub fn json(&mut self, line: impl FnOnce() -> Option<Value>) {
        self.write_json(|json| match line() {
            Some(line) => writeln!(json, "{line}"),
            None => Ok(()),
        });
    }

    pub fn flush(&mut self) {
        self.write_json(Write::flush);
    }

    fn write_json(&mut self, write: impl FnOnce(&mut BufWriter<Background>) -> io::Result<()>) {
        if let Some(Err(error)) = self.json.as_mut().map(write) {
            say(format_args!("Cannot write the file of --json: {error}."));
            self.json = None;
        }
    }

    /// Writes the report where it belongs. Call this when signals are no longer held: a reader may be
    /// slow. If the user has interrupted the program, the file of `--json` has little time left.
    pub fn finish(mut self, report: &str, interrupted: bool) {
        self.flush();
        self.write_json(|json| json.get_mut().finish(interrupted.then_some(LAST_WRITE)));
        let Some(file) = self.output else {
            // A reader that has gone is ignored.
            let _ = anstream::stderr().write_all(report.as_bytes());
            return;
        };
        if let Err(error) = anstream::StripStream::new(file).write_all(report.as_bytes()) {
            say(format_args!("Cannot write the file of --output: {error}."));
        }
    }
}
