//! The log of a sweep, device by device: what is made for one is a row of calls, which the question
//! about its state begins.

use crate::faults::log::{Entry, GET_STATE};
use crate::faults::trial::Seen;

pub struct Rows<'a> {
    /// The calls for each device, by its ordinal.
    rows: Vec<&'a [Entry]>,
    /// Whether a fault hit a call about it, in the sweep or later.
    hit: Vec<bool>,
}

impl<'a> Rows<'a> {
    pub fn of(seen: &'a Seen) -> Self {
        let devices = seen.before.primaries.len();
        let (mut rows, mut hit) = (vec![&seen.sweep()[..0]; devices], vec![false; devices]);
        let mut rest = seen.sweep();
        while let Some(begin) = rest.iter().position(|entry| entry.is(GET_STATE)) {
            rest = &rest[begin..];
            let device = rest[0].device;
            let another = |entry: &Entry| entry.is(GET_STATE) && entry.device != device;
            let length = rest.iter().position(another).unwrap_or(rest.len());
            if let Some(row) = device.and_then(|device| rows.get_mut(device as usize)) {
                *row = &rest[..length];
            }
            rest = &rest[length..];
        }
        for device in seen.entries.iter().filter(|entry| entry.hit).filter_map(|e| e.device) {
            hit[device as usize] = true;
        }
        Self { rows, hit }
    }

    /// The calls for one device: none where it was not asked for its state.
    pub fn of_device(&self, device: u32) -> &'a [Entry] {
        self.rows[device as usize]
    }

    /// Whether a fault hit a call about this device.
    pub fn is_hit(&self, device: u32) -> bool {
        self.hit[device as usize]
    }
}
