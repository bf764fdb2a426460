//! A CUDA version, as the driver and the header count it.

use std::fmt;

use crate::sys::debug::debug_as_displayed;

/// A CUDA version. Displayed as `13.0`.
///
/// ```
/// use cuda_primary_context::CudaVersion;
///
/// let version = CudaVersion::from_raw(13_000);
/// assert_eq!((version.major(), version.minor()), (13, 0));
/// assert_eq!(version.to_string(), "13.0");
/// assert!(version > CudaVersion::from_raw(12_090));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CudaVersion(i32);

impl CudaVersion {
    /// The version of this number: 1000 × major + 10 × minor, as `cuDriverGetVersion` returns it.
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// The number: 1000 × major + 10 × minor.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// 12 for CUDA 12.9.
    pub const fn major(self) -> i32 {
        self.0 / 1000
    }

    /// 9 for CUDA 12.9.
    pub const fn minor(self) -> i32 {
        self.0 % 1000 / 10
    }
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major(), self.minor())
    }
}

debug_as_displayed!(CudaVersion);
