//! Calls worth keeping.

use std::time::Duration;

use crate::record::{Call, Record};

/// How many of one sort are kept: the first ones tell where they come from.
const KEPT: usize = 8;

/// A call, and when and where it was.
#[derive(Debug, Clone)]
pub struct Note {
    /// When it ended, since the command started.
    pub time: Duration,
    pub tid: u32,
    pub call: Call,
}

impl Note {
    pub(super) fn new(record: &Record, call: &Call) -> Self {
        Self { time: record.time, tid: record.tid, call: call.clone() }
    }
}

/// Calls of one sort: the first few, the last one, and how many there were.
#[derive(Debug, Default)]
pub struct Notes {
    pub first: Vec<Note>,
    pub total: u64,
    pub last: Option<Duration>,
}

impl Notes {
    pub(super) fn add(&mut self, note: Note) {
        self.total += 1;
        self.last = Some(note.time);
        if self.first.len() < KEPT {
            self.first.push(note);
        }
    }
}
