//! Everything that can go wrong, each as a variant of its own.

use std::path::{Path, PathBuf};

use crate::sys::debug::debug_as_displayed;
use crate::sys::{CUresult, CudaVersion};

#[cfg(feature = "serde")]
pub(crate) mod serialize;
mod text;

use text::{advice, attempts, on, origin, parent, visibility, visible};

/// What went wrong: for a driver call with the C function, the device and the result code.
///
/// Its `Debug` is the sentence of its `Display`, because Rust prints the `Debug` of an error that `main` returns: a
/// derived one would lack the remedy.
///
/// | variant | [`kind()`](Self::kind) | returned by |
/// | --- | --- | --- |
/// | [`Driver`](Self::Driver) | `driver` | every function that makes a driver call |
/// | [`ForkedAfterInit`](Self::ForkedAfterInit) | `forked_after_init` | almost every function, in a forked child |
/// | [`LibraryNotFound`](Self::LibraryNotFound) | `library_not_found` | [`Driver::load`](crate::Driver::load), `load_from`, `checkpoint::Process::open` |
/// | [`NotADriver`](Self::NotADriver) | `not_a_driver` | the same |
/// | [`DriverTooOld`](Self::DriverTooOld) | `driver_too_old` | the same, and [`Driver::function`](crate::Driver::function) |
/// | [`FunctionMissing`](Self::FunctionMissing) | `function_missing` | the same |
/// | [`StubLibrary`](Self::StubLibrary) | `stub_library` | `Driver::load`, `load_from` |
/// | [`NoDevice`](Self::NoDevice) | `no_device` | the same |
/// | [`NoSuchDevice`](Self::NoSuchDevice) | `no_such_device` | [`Driver::device`](crate::Driver::device) |
/// | [`UnknownDevice`](Self::UnknownDevice) | `unknown_device` | `Driver::device_by_uuid`, `device_by_pci_bus_id`, `device_from_raw` |
/// | [`NotCurrent`](Self::NotCurrent) | `not_current` | [`CurrentContext::leave`](crate::CurrentContext::leave) |
/// | [`OtherDriver`](Self::OtherDriver) | `other_driver` | [`StrayRelease`](crate::StrayRelease) and `PrimaryContextGuard::retain_only_with` |
///
/// ```
/// # use cuda_primary_context::{Driver, Error};
/// match Driver::load() {
///     Ok(driver) => println!("{} devices", driver.device_count()),
///     Err(Error::LibraryNotFound { .. } | Error::NoDevice { .. }) => println!("no GPU here"),
///     Err(error) => eprintln!("{}: {error}", error.kind()),
/// }
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A driver call returned something other than `CUDA_SUCCESS`.
    #[error("{call}{} returned {code}{}", on(*device), advice(call, *code))]
    Driver {
        /// The C function.
        call: &'static str,
        /// The ordinal of the device that the call was for, if there is one.
        device: Option<u32>,
        /// What it returned; a number that no header has keeps its value.
        code: CUresult,
    },

    /// No driver library could be loaded.
    #[error("No CUDA driver library could be loaded ({}).{}", attempts(.tried), origin(.tried))]
    LibraryNotFound {
        /// Every name that was tried, with the dynamic loader's reason.
        tried: Vec<Attempt>,
    },

    /// The library can be loaded, but is not a CUDA driver.
    #[error("{} is not a CUDA driver: it has no {missing}.", .library.display())]
    NotADriver {
        /// The library.
        library: Box<Path>,
        /// The function by which a driver is known.
        missing: Box<str>,
    },

    /// The driver lacks a function because it is older than the function.
    #[error(
        "The CUDA driver {} has no {symbol}: it supports CUDA {driver}, and the function came with \
             CUDA {introduced}. Install a newer driver.",
        .library.display()
    )]
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
    #[error(
        "The CUDA driver {} has no {symbol}, although it supports CUDA {driver} and the function came \
             with CUDA {introduced}. A profiler's or another tool's library may stand in for the driver.",
        .library.display()
    )]
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
    #[error("{}: {}.", .library.display(),
            CUresult::CUDA_ERROR_STUB_LIBRARY.remedy().unwrap_or_default())]
    StubLibrary {
        /// The library.
        library: Box<Path>,
    },

    /// The driver works, but shows this process no device (code 100 from `cuInit`).
    #[error("The CUDA driver {} shows this process no device{}: {}.", .library.display(),
            visibility(.visible_devices.as_deref()),
            CUresult::CUDA_ERROR_NO_DEVICE.remedy().unwrap_or_default())]
    NoDevice {
        /// The library.
        library: Box<Path>,
        /// `CUDA_VISIBLE_DEVICES` as it was at that moment.
        visible_devices: Option<Box<str>>,
    },

    /// This process was forked from one that had initialised CUDA. Every driver call fails here: nothing can
    /// be retained or released, and the parent's handles cannot be used.
    #[error("This process was forked after CUDA was initialised{}, so that every driver call fails. Start \
             workers with spawn or exec, or fork before CUDA is used.",
             parent(*initialised_in))]
    ForkedAfterInit {
        /// The process that had initialised CUDA, if this crate did it there.
        initialised_in: Option<u32>,
    },

    /// The driver shows this process no device of this ordinal.
    #[error(
        "Device {ordinal} does not exist: this process sees {} (after CUDA_VISIBLE_DEVICES).",
        visible(*count)
    )]
    NoSuchDevice {
        /// The ordinal that was passed.
        ordinal: u32,
        /// How many devices there are.
        count: u32,
    },

    /// The driver shows this process no device of this identity.
    #[error(
        "No device {identity}: it is not among the {count} that this process sees (after \
             CUDA_VISIBLE_DEVICES)."
    )]
    UnknownDevice {
        /// The unique id, the PCI address or the handle that was passed.
        identity: Box<str>,
        /// How many devices there are.
        count: u32,
    },

    /// A scope in which a device's context was current ended, and another context was on top of the
    /// thread's stack. That one is still on top.
    #[error(
        "The context of device {device} was not current when its scope ended. End scopes in the reverse \
             order, and leave the current context inside one as it was."
    )]
    NotCurrent {
        /// The ordinal of the device.
        device: u32,
    },

    /// A policy keeps a device of another driver library.
    #[error(
        "Device {ordinal}, which the policy keeps, belongs to another driver library than the devices to \
             release."
    )]
    OtherDriver {
        /// The ordinal of that device.
        ordinal: u32,
    },
}

debug_as_displayed!(Error);

/// A library name that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The name or path passed to the dynamic loader.
    pub library: PathBuf,
    /// Why it could not be loaded.
    pub reason: String,
}

impl Attempt {
    /// A library that was tried, and why it could not be loaded.
    pub fn new(library: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { library: library.into(), reason: reason.into() }
    }
}

impl Error {
    /// The C function, if a driver call failed.
    pub fn call(&self) -> Option<&'static str> {
        match self {
            Self::Driver { call, .. } => Some(call),
            Self::StubLibrary { .. } | Self::NoDevice { .. } => Some("cuInit"),
            _ => None,
        }
    }

    /// The ordinal of the device concerned, if there is one.
    pub fn device(&self) -> Option<u32> {
        match self {
            Self::Driver { device, .. } => *device,
            Self::NotCurrent { device } => Some(*device),
            Self::NoSuchDevice { ordinal, .. } | Self::OtherDriver { ordinal } => Some(*ordinal),
            _ => None,
        }
    }

    /// The driver's result code, if a driver call failed. `CUDA_ERROR_NOT_INITIALIZED` in a forked child, in
    /// which none was made.
    pub fn code(&self) -> Option<CUresult> {
        match self {
            Self::Driver { code, .. } => Some(*code),
            Self::StubLibrary { .. } => Some(CUresult::CUDA_ERROR_STUB_LIBRARY),
            Self::NoDevice { .. } => Some(CUresult::CUDA_ERROR_NO_DEVICE),
            Self::ForkedAfterInit { .. } => Some(CUresult::CUDA_ERROR_NOT_INITIALIZED),
            _ => None,
        }
    }

    /// The variant in `snake_case`, for logs and JSON: the second column of the [table](Self).
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
