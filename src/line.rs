//! The record of one device: which driver calls were made for it, and how it ended.

use crate::device::Device;
use crate::driver::Driver;
use crate::error::Error;
use crate::sys::CUresult;

/// A line as it is kept: 12 bytes, for everything in it follows from the order of the calls. State
/// and release alternate, beginning with the state, and the first call that fails is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    end: End,
    calls: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Kept by the policy.
    Untouched,
    /// Kept by the guard's own retain.
    Retained,
    Inactive,
    /// Inactive, for somebody else released the last reference between two calls.
    Taken,
    Active,
    /// By as many handles of this crate.
    Held(u32),
    Failed(CUresult),
    /// Active, to be released, and not released yet.
    Pending,
    /// Not released, for the thread that asked has the context current.
    ThreadFailed,
}

impl Line {
    pub(crate) const UNTOUCHED: Self = Self::new(End::Untouched, 0);
    pub(crate) const RETAINED: Self = Self::new(End::Retained, 1);

    /// Not active when it was asked, and not touched.
    pub(crate) const INACTIVE: Self = Self::asked(End::Inactive);

    #[inline]
    pub(crate) const fn new(end: End, calls: u32) -> Self {
        Self { end, calls }
    }

    /// The end after one call, that for the state.
    #[inline]
    pub(crate) const fn asked(end: End) -> Self {
        Self::new(end, 1)
    }

    #[inline]
    pub(crate) fn end(self) -> End {
        self.end
    }

    /// How many calls were made.
    pub(crate) fn calls(self) -> u32 {
        self.calls
    }

    /// How many references were released.
    pub(crate) fn releases(self) -> u32 {
        match self.end {
            End::Retained => 0,
            // The last of them is the one that was refused.
            End::Taken => self.calls / 2 - 1,
            _ => self.calls / 2,
        }
    }

    /// One of the calls and its answer.
    pub(crate) fn call(self, index: u32) -> (&'static str, CUresult) {
        let function = match (self.end, index % 2) {
            (End::Retained, _) => "cuDevicePrimaryCtxRetain",
            (_, 0) => "cuDevicePrimaryCtxGetState",
            _ => "cuDevicePrimaryCtxRelease_v2",
        };
        let code = match self.end {
            End::Failed(code) => code,
            End::Taken => CUresult::CUDA_ERROR_INVALID_CONTEXT,
            _ => CUresult::CUDA_SUCCESS,
        };
        match index + 1 == self.calls {
            true => (function, code),
            false => (function, CUresult::CUDA_SUCCESS),
        }
    }

    /// The error of the last call.
    pub(crate) fn failure(self, device: Device) -> Error {
        let (call, code) = self.call(self.calls.saturating_sub(1));
        device.loaded().error(code, call, Some(device.ordinal()))
    }
}

/// The lines of the devices that are not kept, with their ordinals and in that order. An inactive
/// device's says nothing that is not known, and is not among them.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Vec<(u32, Line)>);

impl Lines {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds the line of a device beyond those added so far.
    #[inline]
    pub(crate) fn add(&mut self, device: Device, line: Line) {
        if self.0.is_empty() {
            self.make_room(device);
        }
        self.0.push((device.ordinal(), line));
    }

    /// The one allocation, for this device and all that may follow.
    #[cold]
    fn make_room(&mut self, device: Device) {
        let left = device.driver().device_count() - device.ordinal();
        self.0.reserve_exact(left as usize);
    }

    pub(crate) fn of(&self, device: Device) -> Line {
        let found = self.0.binary_search_by_key(&device.ordinal(), |(ordinal, _)| *ordinal);
        found.map_or(Line::INACTIVE, |place| self.0[place].1)
    }

    /// The devices that are to be released.
    pub(crate) fn pending(&mut self, driver: Driver) -> impl Iterator<Item = (Device, &mut Line)> {
        let pending = self.0.iter_mut().filter(|(_, line)| line.end() == End::Pending);
        pending.map(move |(ordinal, line)| (Device::new(driver, *ordinal), line))
    }
}

/// How many lines are kept without an allocation: more devices than one machine has, as a rule.
const FEW: usize = 16;

/// A line for every device, in the order of the ordinals, and more where they are few.
#[derive(Debug, Clone)]
pub(crate) enum EveryLine {
    Few([Line; FEW]),
    Many(Vec<Line>),
}

impl EveryLine {
    /// For as many devices, none of which was touched.
    pub(crate) fn untouched(devices: u32) -> Self {
        match devices as usize {
            0..=FEW => Self::Few([Line::UNTOUCHED; FEW]),
            devices => Self::Many(vec![Line::UNTOUCHED; devices]),
        }
    }

    pub(crate) fn as_slice(&self) -> &[Line] {
        match self {
            Self::Few(lines) => lines,
            Self::Many(lines) => lines,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Line] {
        match self {
            Self::Few(lines) => lines,
            Self::Many(lines) => lines,
        }
    }
}
