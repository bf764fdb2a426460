//! The files of `--json` and `--output`.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::command::say;

/// How long an interrupted command goes on writing.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// The files. One that cannot be written is reported a single time.
#[derive(Debug)]
pub struct Files {
    json: Option<Lines>,
    output: Option<File>,
}

/// Lines that a thread of its own writes, so that a reader who is slow, or has stopped, does not stop the
/// command. What the file does not take waits in memory.
#[derive(Debug)]
struct Lines {
    next: Vec<u8>,
    sender: Option<Sender<Vec<u8>>>,
    result: Receiver<io::Result<()>>,
}

/// Creates a file, or empties it. A FIFO waits until somebody reads it.
pub fn create(option: &str, path: Option<&PathBuf>) -> io::Result<Option<File>> {
    let file = path.map(|path| {
        File::create(path).map_err(|error| {
            let text = format!("{option} {} cannot be written: {error}.", path.display());
            io::Error::new(error.kind(), text)
        })
    });
    file.transpose()
}

impl Files {
    pub fn new(json: Option<File>, output: Option<File>) -> io::Result<Self> {
        Ok(Self { json: json.map(Lines::new).transpose()?, output })
    }

    /// Writes a line to the file of `--json`, if there is one.
    pub fn json(&mut self, line: impl FnOnce() -> Option<Value>) {
        let Some(json) = &mut self.json else { return };
        if let Some(line) = line() {
            json.next.extend(format!("{line}\n").bytes());
        }
    }

    pub fn flush(&mut self) {
        self.check(Lines::flush);
    }

    fn check(&mut self, write: impl FnOnce(&mut Lines) -> io::Result<()>) {
        if let Some(Err(error)) = self.json.as_mut().map(write) {
            say(format_args!("Cannot write the file of --json: {error}."));
            self.json = None;
        }
    }

    /// Completes the file of `--json`. Call this when signals are no longer held: a reader may be slow.
    /// If the user has interrupted the program, the file has little time left.
    pub fn finish(&mut self, interrupted: bool) {
        self.flush();
        self.check(|json| json.finish(interrupted.then_some(LAST_WRITE)));
    }

    /// Writes the report where it belongs.
    pub fn report(&mut self, report: &str) {
        let Some(file) = &mut self.output else {
            // A reader that has gone is ignored.
            let _ = anstream::stderr().write_all(report.as_bytes());
            return;
        };
        if let Err(error) = anstream::StripStream::new(file).write_all(report.as_bytes()) {
            say(format_args!("Cannot write the file of --output: {error}."));
        }
    }
}

impl Lines {
    /// Starts the thread, which inherits the signal mask of the caller.
    fn new(mut file: File) -> io::Result<Self> {
        let ((sender, receiver), (done, result)) = (channel::<Vec<u8>>(), channel());
        thread::Builder::new().name("json".to_owned()).spawn(move || {
            let written = receiver.iter().try_for_each(|lines| file.write_all(&lines));
            // Nobody waits for it any longer if this cannot be sent.
            let _ = done.send(written);
        })?;
        Ok(Self { next: Vec::new(), sender: Some(sender), result })
    }

    fn flush(&mut self) -> io::Result<()> {
        let lines = mem::take(&mut self.next);
        match &self.sender {
            Some(sender) if sender.send(lines).is_ok() => Ok(()),
            _ => self.finish(None),
        }
    }

    /// Waits until the file has taken everything, or for so long.
    fn finish(&mut self, longest: Option<Duration>) -> io::Result<()> {
        self.sender = None;
        let result = match longest {
            Some(longest) => self.result.recv_timeout(longest).ok(),
            None => self.result.recv().ok(),
        };
        result.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}
