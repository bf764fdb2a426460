//! `cuda-contexts ps`: which processes hold contexts on which GPUs right now.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use cuda_primary_context::checkpoint::nvml::NvmlError;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::command::{FAILED, say};
use crate::ps::options::Options;
use crate::ps::snapshot::Snapshot;
use crate::ps::traced::Trace;

mod json;
pub mod options;
mod process;
mod snapshot;
mod text;
mod traced;
mod verdict;

const STRAY: i32 = 3;

const NO_DRIVER: &str = "this machine has none, or the loader does not find its library. \
                         cuda-contexts trace --driver simulated works without one.";

/// To the upper left corner, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub fn run(options: &Options) -> i32 {
    show(options).unwrap_or_else(|error| {
        match error.downcast_ref() {
            Some(NvmlError::LibraryNotFound { .. }) => say(format_args!("{error}: {NO_DRIVER}")),
            _ => say(format_args!("{error}")),
        }
        FAILED
    })
}

fn show(options: &Options) -> Result<i32, Box<dyn std::error::Error>> {
    if let Some(pause) = options.watch {
        return watch(options, pause);
    }
    let snapshot = Snapshot::take(options)?;
    let text = if options.json { json::lines(&snapshot) } else { page(&snapshot) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(exit_status(&snapshot, options))
}

fn page(snapshot: &Snapshot) -> String {
    let (traces, notes) = traced::read(&snapshot.processes);
    let notes: String = notes.iter().map(|note| format!("\nNote: {note}\n")).collect();
    let reports: String = traces.iter().map(Trace::report).collect();
    text::page(snapshot) + &reports + &notes
}

fn exit_status(snapshot: &Snapshot, options: &Options) -> i32 {
    match options.fail_on_stray {
        true if snapshot.strays() > 0 => STRAY,
        true if !snapshot.is_complete => {
            say(format_args!(
                "--fail-on-stray cannot judge: a GPU or a size could not be read, or what was chosen was \
                 not found."
            ));
            FAILED
        }
        _ => 0,
    }
}

/// Shows snapshots until somebody interrupts it or reads no more.
fn watch(options: &Options, pause: Duration) -> Result<i32, Box<dyn std::error::Error>> {
    let mut output = io::stdout();
    let in_place = !options.json && output.is_terminal();
    let mut before: Vec<[String; 7]> = Vec::new();
    loop {
        let snapshot = Snapshot::take(options)?;
        let text = if options.json {
            json::lines(&snapshot)
        } else if in_place {
            format!("{CLEAR}{}", page(&snapshot))
        } else {
            let now = text::lines(&snapshot);
            let text = changes(&before, &now);
            before = now;
            text
        };
        match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(0),
            written => written?,
        }
        if reader_leaves_within(pause) {
            return Ok(0);
        }
    }
}

/// Waits so long, or until nobody reads standard output any more.
fn reader_leaves_within(pause: Duration) -> bool {
    let output = io::stdout();
    let mut output = [PollFd::new(output.as_fd(), PollFlags::empty())];
    let pause = PollTimeout::try_from(pause).unwrap_or(PollTimeout::MAX);
    poll(&mut output, pause).is_ok_and(|count| count > 0)
}

/// A line for each context that came, went or changed its size.
fn changes(before: &[[String; 7]], now: &[[String; 7]]) -> String {
    let line = |sign: char, row: &[String; 7]| {
        let words: Vec<&str> =
            row.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        format!("{sign} {}\n", words.join("  "))
    };
    let gone = before.iter().filter(|row| !now.contains(row)).map(|row| line('-', row));
    let new = now.iter().filter(|row| !before.contains(row)).map(|row| line('+', row));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests;
