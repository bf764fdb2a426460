//! Everything that can go wrong, each with its own name.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::driver::version::CudaVersion;
use crate::sys::CUresult;

#[cfg(feature = "serde")]
mod serialize;
mod text;

use text::{advice, attempts, on, origin, parent, visibility};

/// What went wrong, with the C function, the device and the number where a driver call failed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A driver call answered something other than `CUDA_SUCCESS`.
    #[error("{call}{} answered {code}{}", on(*device), advice(call, *code))]
    Driver {
        /// The C function.
        call: &'static str,
        /// The ordinal of the device that the call was for, where there is one.
        device: Option<u32>,
        /// What it answered; a number that no header knows is kept as it is.
        code: CUresult,
    },

    /// No driver library could be loaded.
    #[error("no CUDA driver library could be loaded ({}){}", attempts(.tried), origin(.tried))]
    LibraryNotFound {
        /// Every name tried, and what the dynamic loader said of it.
        tried: Vec<Attempt>,
    },

    /// The library loads and is no CUDA driver.
    #[error("{} is no CUDA driver: it has no {missing}", .library.display())]
    NotADriver {
        /// The library.
        library: Box<Path>,
        /// The function by which a driver is known.
        missing: Box<str>,
    },

    /// The driver lacks a function because it is older than the function.
    #[error("the CUDA driver {} has no {symbol}: it is for CUDA {}, and the function came with \
             CUDA {}; install a newer driver", .library.display(), driver, introduced)]
    DriverTooOld {
        /// The library.
        library: Box<Path>,
        /// The C function.
        symbol: Box<str>,
        /// The newest CUDA version that the driver supports.
        driver: CudaVersion,
        /// The CUDA version that introduced the function.
        introduced: CudaVersion,
    },

    /// The driver lacks a function that its version should have: a tool's stand-in for libcuda, or
    /// a function of another platform.
    #[error("the CUDA driver {} has no {symbol}, which came with CUDA {}, although it says that it \
             is for CUDA {}; a profiler's or a shim's library may stand in for the driver",
             .library.display(), introduced, driver)]
    FunctionMissing {
        /// The library.
        library: Box<Path>,
        /// The C function.
        symbol: Box<str>,
        /// The newest CUDA version that the driver supports.
        driver: CudaVersion,
        /// The CUDA version that introduced the function.
        introduced: CudaVersion,
    },

    /// The library is the toolkit's stub, which is for linking alone (code 34 from `cuInit`).
    #[error("{}: {}", .library.display(),
            CUresult::CUDA_ERROR_STUB_LIBRARY.remedy().unwrap_or_default())]
    StubLibrary {
        /// The library.
        library: Box<Path>,
    },

    /// The driver works and shows this process no device (code 100 from `cuInit`).
    #[error("the CUDA driver {} shows this process no device{}; {}", .library.display(),
            visibility(.visible_devices.as_deref()),
            CUresult::CUDA_ERROR_NO_DEVICE.remedy().unwrap_or_default())]
    NoDevice {
        /// The library.
        library: Box<Path>,
        /// `CUDA_VISIBLE_DEVICES` as it was at that moment.
        visible_devices: Option<Box<str>>,
    },

    /// This process was forked from one that had initialised CUDA. The driver refuses every call
    /// here: nothing can be retained or released, and no handle made in the parent means anything.
    #[error("this process was forked after CUDA was initialised{}; the driver refuses every call \
             here. Start workers with spawn or exec, or fork before CUDA is touched",
             parent(*initialised_in))]
    ForkedAfterInit {
        /// The process that had initialised CUDA, where this crate did it there.
        initialised_in: Option<u32>,
    },

    /// There is no device of this ordinal among those that the driver shows this process.
    #[error(
        "there is no device {ordinal}: the driver shows this process {count}, numbered from 0 \
             (CUDA_VISIBLE_DEVICES renumbers them)"
    )]
    NoSuchDevice {
        /// The ordinal asked for.
        ordinal: u32,
        /// How many devices there are.
        count: u32,
    },

    /// The driver shows this process no device of this identity.
    #[error(
        "there is no device {identity} among the {count} that the driver shows this process \
             (CUDA_VISIBLE_DEVICES hides others)"
    )]
    UnknownDevice {
        /// The unique id, the PCI address or the handle asked for.
        identity: Box<str>,
        /// How many devices there are.
        count: u32,
    },

    /// A scope in which a device's context was current ended, and another context was on top of the
    /// thread's stack, where it was left.
    #[error(
        "the context of device {device} was not the current one when its scope ended; scopes \
             end in the reverse order of their beginning, and code inside leaves the current \
             context as it found it"
    )]
    NotCurrent {
        /// The ordinal of the device.
        device: u32,
    },

    /// A policy keeps a device of another driver library.
    #[error(
        "device {ordinal}, which the policy keeps, belongs to another driver library than the devices \
             to release"
    )]
    OtherDriver {
        /// The ordinal of the device that does not belong.
        ordinal: u32,
    },
}

/// The sentence of its [`Display`](fmt::Display), so that a `main` function which returns the error prints
/// it. Match the variants, or call [`kind`](Error::kind), to tell errors apart.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A library name that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// What the dynamic loader was asked for.
    pub library: PathBuf,
    /// What it said.
    pub reason: String,
}

impl Attempt {
    /// A library that was tried, and what was said of it.
    #[must_use]
    pub fn new(library: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { library: library.into(), reason: reason.into() }
    }
}

impl Error {
    /// The C function that answered, where a driver call failed.
    #[must_use]
    pub fn call(&self) -> Option<&'static str> {
        match self {
            Self::Driver { call, .. } => Some(call),
            Self::StubLibrary { .. } | Self::NoDevice { .. } => Some("cuInit"),
            _ => None,
        }
    }

    /// The ordinal of the device concerned, where there is one.
    #[must_use]
    pub fn device(&self) -> Option<u32> {
        match self {
            Self::Driver { device, .. } => *device,
            Self::NotCurrent { device } => Some(*device),
            Self::NoSuchDevice { ordinal, .. } | Self::OtherDriver { ordinal } => Some(*ordinal),
            _ => None,
        }
    }

    /// The driver's result code, where a driver call failed; `CUDA_ERROR_NOT_INITIALIZED` for a forked
    /// child, in which none was made.
    pub fn code(&self) -> Option<CUresult> {
        match self {
            Self::Driver { code, .. } => Some(*code),
            Self::StubLibrary { .. } => Some(CUresult::CUDA_ERROR_STUB_LIBRARY),
            Self::NoDevice { .. } => Some(CUresult::CUDA_ERROR_NO_DEVICE),
            Self::ForkedAfterInit { .. } => Some(CUresult::CUDA_ERROR_NOT_INITIALIZED),
            _ => None,
        }
    }

    /// The variant in `snake_case`, for logs and JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Driver { .. } => "driver",
            Self::LibraryNotFound { .. } => "library_not_found",
            Self::NotADriver { .. } => "not_a_driver",
            Self::DriverTooOld { .. } => "driver_too_old",
            Self::FunctionMissing { .. } => "function_missing",
            Self::StubLibrary { .. } => "stub_library",
            Self::NoDevice { .. } => "no_device",
            Self::ForkedAfterInit { .. } => "forked_after_init",
            Self::NoSuchDevice { .. } => "no_such_device",
            Self::UnknownDevice { .. } => "unknown_device",
            Self::NotCurrent { .. } => "not_current",
            Self::OtherDriver { .. } => "other_driver",
        }
    }
}
