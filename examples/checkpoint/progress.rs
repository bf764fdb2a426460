//! A line on a terminal while steps are under way that take long.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cuda_primary_context::checkpoint::{Process, State};

/// Until it is dropped, and where somebody can see it.
pub struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    pub fn begin(doing: &'static str, reached: State, processes: Vec<Process>, json: bool) -> Self {
        if json || !io::stderr().is_terminal() || processes.is_empty() {
            return Self(None);
        }
        let (end, ended) = mpsc::channel();
        let show = move || {
            let began = Instant::now();
            let mut shown = false;
            while ended.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Timeout) {
                let there = processes.iter().filter(|process| process.state() == Ok(reached));
                let line = format!(
                    "\r{doing}: {} of {} {reached}, {:.1} s ",
                    there.count(),
                    processes.len(),
                    began.elapsed().as_secs_f64()
                );
                // Nobody may be looking any more.
                shown = io::stderr().write_all(line.as_bytes()).is_ok();
            }
            if shown {
                let _ = io::stderr().write_all(b"\r\x1b[K");
            }
        };
        Self(Some((end, thread::spawn(show))))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}
