//! What the ledger is made of. tests/interleavings.rs has another file of this name for it, made of
//! loom's, and so runs the ledger in every order that threads can take.

use std::time::Duration;

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

/// Waits a little for another thread, longer with every round, 1 ms at most.
pub(crate) fn pause(round: u32) {
    match round {
        0..10 => std::thread::yield_now(),
        _ => std::thread::sleep(Duration::from_micros(1000.min(20 * u64::from(round)))),
    }
}
