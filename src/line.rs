//! The record of one device: which driver calls were made for it, and how it ended.

use crate::device::Device;
use crate::error::Error;
use crate::sys::CUresult;

/// A line as it is kept: 16 bytes, for everything in it follows from the order of the calls. State
/// and release alternate, beginning with the state, and the first call that fails is the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    end: End,
    calls: u32,
    /// References released, or handles that hold the device.
    number: u32,
    last: CUresult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Kept by the policy.
    Untouched,
    /// Kept by the guard's own retain.
    Retained,
    Inactive,
    Active,
    Held,
    Failed,
    /// Not at its end yet.
    Pending,
    /// Not released, for the thread that asked has the context current.
    ThreadFailed,
}

impl Line {
    const fn new(end: End, calls: u32) -> Self {
        Self { end, calls, number: 0, last: CUresult::CUDA_SUCCESS }
    }

    pub(crate) const UNTOUCHED: Self = Self::new(End::Untouched, 0);
    pub(crate) const RETAINED: Self = Self::new(End::Retained, 1);
    /// No call was made yet.
    pub(crate) const PENDING: Self = Self::new(End::Pending, 0);

    /// Whether the device is one to release, and was not yet.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.end == End::Pending
    }

    pub(crate) fn is_still_active(&self) -> bool {
        self.end == End::Active
    }

    /// What the last call answered.
    pub(crate) fn last(&self) -> CUresult {
        self.last
    }

    /// Records the next call; whether it succeeded.
    #[inline]
    pub(crate) fn record(&mut self, code: CUresult) -> bool {
        self.calls += 1;
        self.last = code;
        code.is_success()
    }

    #[inline]
    pub(crate) fn record_release(&mut self, code: CUresult) -> bool {
        let released = self.record(code);
        self.number += u32::from(released);
        released
    }

    #[inline]
    pub(crate) fn inactive(self) -> Self {
        Self { end: End::Inactive, ..self }
    }

    pub(crate) fn still_active(self) -> Self {
        Self { end: End::Active, ..self }
    }

    pub(crate) fn held(self, handles: u32) -> Self {
        Self { end: End::Held, number: handles, ..self }
    }

    pub(crate) fn failed(self) -> Self {
        Self { end: End::Failed, ..self }
    }

    pub(crate) fn thread_failed(self) -> Self {
        Self { end: End::ThreadFailed, ..self }
    }

    #[inline]
    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// References released, or handles that hold the device.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> u32 {
        self.calls
    }

    /// One of the calls and its answer.
    pub(crate) fn call(&self, index: u32) -> (&'static str, CUresult) {
        let function = match (self.end, index % 2) {
            (End::Retained, _) => "cuDevicePrimaryCtxRetain",
            (_, 0) => "cuDevicePrimaryCtxGetState",
            _ => "cuDevicePrimaryCtxRelease_v2",
        };
        match index + 1 == self.calls {
            true => (function, self.last),
            false => (function, CUresult::CUDA_SUCCESS),
        }
    }

    /// The error of the last call.
    pub(crate) fn failure(&self, device: Device) -> Error {
        let (call, code) = self.call(self.calls.saturating_sub(1));
        device.loaded().error(code, call, Some(device.ordinal()))
    }
}

/// How many lines are kept without an allocation: more devices than one machine has, as a rule.
const FEW: usize = 16;

/// The lines of a driver's devices, in the order of their ordinals.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    few: [Line; FEW],
    /// All of them, where there are more than a few.
    many: Vec<Line>,
    count: usize,
}

impl Lines {
    /// Room for as many lines; there is none yet.
    #[inline]
    pub(crate) fn for_devices(devices: u32) -> Self {
        let devices = devices as usize;
        let many = if devices > FEW { Vec::with_capacity(devices) } else { Vec::new() };
        Self { few: [Line::PENDING; FEW], many, count: 0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, line: Line) {
        match self.few.get_mut(self.count) {
            Some(place) if self.many.capacity() == 0 => *place = line,
            _ => self.many.push(line),
        }
        self.count += 1;
    }

    pub(crate) fn as_slice(&self) -> &[Line] {
        match self.many.is_empty() {
            true => &self.few[..self.count],
            false => &self.many,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Line] {
        match self.many.is_empty() {
            true => &mut self.few[..self.count],
            false => &mut self.many,
        }
    }
}
