//! Progress on standard error: a line for every step, and a bar if it is a terminal.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use cuda_primary_context::checkpoint::{Step, StepReport};

const WIDTH: usize = 20;
/// Goes to the start of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

pub struct Progress {
    doing: &'static str,
    /// Bytes on GPUs of each process, if they are known.
    bytes: HashMap<u32, u64>,
    /// How many steps are done; none is shown if the output is JSON.
    done: Option<Mutex<usize>>,
    all: usize,
    began: Instant,
    on_terminal: bool,
}

impl Progress {
    /// Each process takes two steps.
    pub fn begin(
        doing: &'static str,
        processes: usize,
        bytes: HashMap<u32, u64>,
        json: bool,
    ) -> Self {
        let progress = Self {
            doing,
            bytes,
            done: (!json).then(Mutex::default),
            all: 2 * processes,
            began: Instant::now(),
            on_terminal: !json && io::stderr().is_terminal(),
        };
        write(&progress.bar(0));
        progress
    }

    pub fn step(&self, pid: u32, step: &StepReport) {
        let Some(done) = &self.done else { return };
        // Held until the lines are written: steps end on several threads.
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        let moves = matches!(step.step, Step::Checkpoint | Step::Restore);
        let size = match self.bytes.get(&pid).filter(|_| moves) {
            Some(&bytes) => format!(", {:.1} GB", bytes as f64 / 1e9),
            None => String::new(),
        };
        let undoing = if step.undoing { " (undoing)" } else { "" };
        let failed = if step.error.is_some() { " failed" } else { "" };
        let (kind, seconds) = (step.step.kind(), step.took.as_secs_f64());
        let line = format!("process {pid}: {kind}{failed}{size}, {seconds:.1} s{undoing}\n");
        write(&format!("{}{line}{}", self.clear(), self.bar(*done)));
    }

    fn clear(&self) -> &'static str {
        if self.on_terminal { CLEAR } else { "" }
    }

    fn bar(&self, done: usize) -> String {
        if !self.on_terminal {
            return String::new();
        }
        let filled = WIDTH * done.min(self.all) / self.all.max(1);
        let bar = format!("{}{}", "#".repeat(filled), ".".repeat(WIDTH - filled));
        format!("{} [{bar}] {:.1} s ", self.doing, self.began.elapsed().as_secs_f64())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        write(self.clear());
    }
}

/// Standard error may be closed.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
