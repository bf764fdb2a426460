//! Progress on standard error: a line for every step, and a bar if it is a terminal.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cuda_primary_context::checkpoint::{Step, StepReport};

const WIDTH: usize = 20;
/// Goes to the start of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

/// The progress, until it is dropped. Shows nothing if the output is JSON.
pub struct Progress {
    shown: Option<Arc<Mutex<Shown>>>,
    bar: Option<(Sender<()>, JoinHandle<()>)>,
}

struct Shown {
    doing: &'static str,
    /// Bytes on GPUs of each process, if they are known.
    bytes: HashMap<u32, u64>,
    done: usize,
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
        if json {
            return Self { shown: None, bar: None };
        }
        let on_terminal = io::stderr().is_terminal();
        let (began, all) = (Instant::now(), 2 * processes);
        let shown = Arc::new(Mutex::new(Shown { doing, bytes, done: 0, all, began, on_terminal }));
        let bar = on_terminal.then(|| {
            let ((end, ended), shown) = (mpsc::channel(), shown.clone());
            let draw = move || {
                let pause = Duration::from_millis(200);
                while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    shown.lock().unwrap_or_else(PoisonError::into_inner).draw();
                }
            };
            (end, thread::spawn(draw))
        });
        Self { shown: Some(shown), bar }
    }

    pub fn step(&self, pid: u32, step: &StepReport) {
        if let Some(shown) = &self.shown {
            shown.lock().unwrap_or_else(PoisonError::into_inner).step(pid, step);
        }
    }
}

impl Shown {
    fn step(&mut self, pid: u32, step: &StepReport) {
        self.done += 1;
        let moves = matches!(step.step, Step::Checkpoint | Step::Restore);
        let size = match self.bytes.get(&pid).filter(|_| moves) {
            Some(&bytes) => format!(", {:.1} GB", bytes as f64 / 1e9),
            None => String::new(),
        };
        let undoing = if step.undoing { " (undoing)" } else { "" };
        let failed = if step.error.is_some() { " failed" } else { "" };
        let clear = if self.on_terminal { CLEAR } else { "" };
        let (kind, seconds) = (step.step.kind(), step.took.as_secs_f64());
        let line = format!("{clear}process {pid}: {kind}{failed}{size}, {seconds:.1} s{undoing}\n");
        // Standard error may be closed.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn draw(&self) {
        let filled = WIDTH * self.done.min(self.all) / self.all.max(1);
        let bar = format!("{}{}", "#".repeat(filled), ".".repeat(WIDTH - filled));
        let (doing, seconds) = (self.doing, self.began.elapsed().as_secs_f64());
        let line = format!("\r{doing} [{bar}] {seconds:.1} s ");
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.bar.take() {
            drop(end);
            let _ = thread.join();
            let _ = io::stderr().write_all(CLEAR.as_bytes());
        }
    }
}
