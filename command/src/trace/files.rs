//! The files of `--json` and `--output`.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::command::say;
use crate::file_error::with_path;
use crate::json::{Background, JsonLines};
use crate::options::Options;

/// How long an interrupted command goes on writing.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// The files as they were opened.
pub struct Opened {
    json: Option<File>,
    output: Option<File>,
}

impl Opened {
    /// Creates them, or empties them. A FIFO waits until somebody reads it.
    pub fn open(options: &Options) -> io::Result<Self> {
        let create = |path: &PathBuf| File::create(path).map_err(|error| with_path(error, path));
        let json = options.json.as_ref().map(create).transpose()?;
        let output = options.output.as_ref().map(create).transpose()?;
        Ok(Self { json, output })
    }
}

/// The files while the program runs. One that takes no more is reported a single time.
#[derive(Debug)]
pub struct Files {
    json: Option<JsonLines<Background>>,
    output: Option<File>,
}

impl Files {
    pub fn new(opened: Opened) -> io::Result<Self> {
        let json = opened.json.map(Background::new).transpose()?.map(JsonLines::new);
        Ok(Self { json, output: opened.output })
    }

    /// Writes to the file of `--json`, if there is one.
    pub fn json(&mut self, write: impl FnOnce(&mut JsonLines<Background>) -> io::Result<()>) {
        if let Some(Err(error)) = self.json.as_mut().map(write) {
            say(format_args!("Cannot write the file of --json: {error}."));
            self.json = None;
        }
    }

    /// Writes the report where it belongs. Call this when signals are no longer held: a reader may be
    /// slow. If the user has interrupted the program, the file of `--json` has little time left.
    pub fn finish(mut self, report: &[u8], interrupted: bool) {
        self.json(|lines| lines.finish(interrupted.then_some(LAST_WRITE)));
        let Some(file) = self.output else {
            // A reader that has gone is ignored.
            let _ = anstream::stderr().write_all(report);
            return;
        };
        if let Err(error) = anstream::StripStream::new(file).write_all(report) {
            say(format_args!("Cannot write the file of --output: {error}."));
        }
    }
}
