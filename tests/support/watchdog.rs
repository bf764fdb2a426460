//! For tests that would hang where the code is wrong: they fail instead, and say what hung.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test may take that takes a second or two as a rule. Not a measure of anything: a busy
/// machine must not reach it.
const BITE: Duration = Duration::from_secs(120);

/// Runs `body` on another thread, and ends the test process with these words where it does not come to
/// an end.
pub fn before_the_watchdog_bites<T: Send>(what: &str, body: impl FnOnce() -> T + Send) -> T {
    let (ended, has_ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let work = scope.spawn(move || {
            let _ended = ended;
            body()
        });
        if has_ended.recv_timeout(BITE) == Err(RecvTimeoutError::Timeout) {
            // The scope would wait for the threads that hang.
            super::skips::say(&format!("failed: {what}: a thread waits for ever"));
            std::process::abort();
        }
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Waits until something is so.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < BITE, "never came about: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}
