//! The driver's log of an operation: every call, its answer, and whether it did its work.

use cuda_primary_context::Error;
use cuda_primary_context::sys::CUresult;
use simulated_libcuda::Call;

use super::injection::Injection;

pub const RETAIN: &str = "cuDevicePrimaryCtxRetain";
pub const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";
pub const GET_STATE: &str = "cuDevicePrimaryCtxGetState";
pub const GET_CURRENT: &str = "cuCtxGetCurrent";
pub const GET_DEVICE: &str = "cuCtxGetDevice";
pub const SET_CURRENT: &str = "cuCtxSetCurrent";
pub const PUSH: &str = "cuCtxPushCurrent_v2";
pub const POP: &str = "cuCtxPopCurrent_v2";

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub function: &'static str,
    /// The device that the driver says it was about.
    pub device: Option<u32>,
    pub code: u32,
    /// A fault decided its answer.
    pub hit: bool,
    /// It did its work, whatever it answered. A release may still have found nothing to release.
    pub done: bool,
}

impl Entry {
    pub fn is(&self, function: &str) -> bool {
        self.function == function
    }

    pub fn failed(&self) -> bool {
        self.code != 0
    }

    /// The error that names this call. What a thread has current is asked about no device.
    pub fn error(&self) -> Error {
        let of_the_thread = self.is(GET_CURRENT) || self.is(GET_DEVICE);
        Error::Driver {
            call: self.function,
            device: if of_the_thread { None } else { self.device },
            code: CUresult(self.code),
        }
    }
}

/// The calls with what these faults, armed in this order, made of them.
pub fn entries(calls: &[Call], faults: &[Injection]) -> Vec<Entry> {
    let entry = |(index, call): (usize, &Call)| {
        let hit = faults.iter().find(|fault| fault.hits(index));
        Entry {
            function: call.function,
            device: call.device,
            code: call.code,
            hit: hit.is_some(),
            done: hit.map_or(call.code == 0, |fault| fault.kind.done),
        }
    };
    calls.iter().enumerate().map(entry).collect()
}

/// How many references each device has after these calls, and how many releases found none.
pub fn replay(references: &mut [u32], entries: &[Entry]) -> u64 {
    let mut underflows = 0;
    for entry in entries {
        let Some(count) = entry.device.and_then(|device| references.get_mut(device as usize))
        else {
            continue;
        };
        match entry.function {
            RETAIN if entry.done => *count += 1,
            // One that is not hit reached the driver, and was refused for want of a reference.
            RELEASE if entry.done || !entry.hit => match count.checked_sub(1) {
                Some(fewer) => *count = fewer,
                None => underflows += 1,
            },
            _ => {}
        }
    }
    underflows
}
