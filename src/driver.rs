//! A loaded driver: its functions, its devices, and how this crate finds them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::driver::device::Device;
use crate::driver::functions::Functions;
use crate::driver::holders::Witness;
use crate::driver::library::Library;
use crate::driver::process::Process;
use crate::error::Error;
use crate::sys::CudaVersion;

pub(crate) mod append_only;
pub(crate) mod calls;
pub(crate) mod device;
mod find_device;
pub(crate) mod functions;
pub(crate) mod holders;
pub(crate) mod initialise;
pub(crate) mod ledger;
pub(crate) mod library;
mod look_up;
pub(crate) mod process;
#[cfg(feature = "serde")]
mod serialize;
pub(crate) mod uuid;

/// An initialised CUDA driver.
///
/// A small handle that can be copied and sent to any thread. The library stays loaded until the process
/// exits. Two loads of one driver, by different paths or through a library that links to it, return equal
/// handles: a driver is known by the address of its release function.
///
/// Two copies of this crate in one process, for example one in each of two shared objects, do not know each
/// other's handles. Cargo keeps two versions out of one program.
#[derive(Clone, Copy)]
pub struct Driver(&'static Inside);

/// What is kept of a driver for the rest of the process: made once and never freed.
struct Inside {
    functions: Functions,
    process: Process,
    devices: OnceLock<Box<[device::Inside]>>,
    unreleased: AtomicU64,
    version: CudaVersion,
    library: Library,
    witness: Option<Witness>,
    path: Box<Path>,
}

impl Driver {
    /// Loads NVIDIA's driver, initialises it and reads the devices that it shows this process.
    ///
    /// Calls `cuInit`, `cuDriverGetVersion`, `cuDeviceGetCount` and, for each device, `cuDeviceGet` and what
    /// identifies it. Opens `libcuda.so.1`, or else the library of the Windows Subsystem for Linux or of NixOS
    /// ([`building`](crate::building)). The first library that opens is used: if its `cuInit` fails, no other is
    /// tried. Creates no context. The driver reads `CUDA_VISIBLE_DEVICES` at that moment. A second load of a
    /// loaded driver makes no call; a failed load is tried again.
    ///
    /// # Errors
    /// [`Error::LibraryNotFound`], [`Error::NotADriver`], [`Error::DriverTooOld`],
    /// [`Error::FunctionMissing`], [`Error::StubLibrary`], [`Error::NoDevice`],
    /// [`Error::ForkedAfterInit`], and [`Error::Driver`] if one of those calls fails otherwise.
    #[doc(alias = "cuInit")]
    pub fn load() -> Result<Self, Error> {
        let (library, name) = Library::open_driver()?;
        Self::initialise(library, name)
    }

    /// Loads a named driver library: a simulated one, or a test double. Otherwise as
    /// [`load`](Self::load).
    ///
    /// The path is passed to `dlopen` (`LoadLibraryExW`) unchanged, which searches for a name without a
    /// slash. An empty path is an error.
    ///
    /// # Safety
    /// Opening a library runs its initialisers. The library must be a CUDA driver, or a replacement whose
    /// functions have the signatures of `cuda.h`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub unsafe fn load_from(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        // SAFETY: the caller's promise.
        let library = unsafe { Library::open_named(path) }?;
        Self::initialise(library, path)
    }

    /// The name or path by which the library was opened.
    pub fn path(self) -> &'static Path {
        &self.0.path
    }

    /// The newest CUDA version that the driver supports, read once when it is loaded
    /// (`cuDriverGetVersion`).
    #[doc(alias = "cuDriverGetVersion")]
    pub fn version(self) -> CudaVersion {
        self.0.version
    }

    /// How many devices the driver shows this process, read once when it is loaded (`cuDeviceGetCount`).
    #[doc(alias = "cuDeviceGetCount")]
    #[inline]
    pub fn device_count(self) -> u32 {
        // There are as many as fit a C int.
        self.insides().len() as u32
    }

    /// Returns the device of this ordinal, as `cuDeviceGet` numbers them in this process.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`].
    #[doc(alias = "cuDeviceGet")]
    #[inline]
    pub fn device(self, ordinal: u32) -> Result<Device, Error> {
        let inside = self.insides().get(ordinal as usize);
        inside
            .map(Device)
            .ok_or_else(|| Error::NoSuchDevice { ordinal, count: self.device_count() })
    }

    /// Every device, in the order of its ordinal.
    #[inline]
    pub fn devices(self) -> impl ExactSizeIterator<Item = Device> + DoubleEndedIterator + Clone {
        self.insides().iter().map(Device)
    }

    /// Returns how many references could not be released when a handle, or the
    /// [`ReleaseError`](crate::ReleaseError) with it, was dropped. Drop can report this nowhere else.
    ///
    /// A reference that was gone already is not counted: after `CUDA_ERROR_NOT_INITIALIZED`,
    /// `CUDA_ERROR_DEINITIALIZED` and `CUDA_ERROR_INVALID_CONTEXT`, and if the context is inactive after
    /// the call.
    pub fn unreleased(self) -> u64 {
        self.0.unreleased.load(Ordering::Relaxed)
    }

    /// The functions, for a caller that has checked the process.
    #[inline]
    pub(crate) fn functions(self) -> &'static Functions {
        &self.0.functions
    }

    pub(crate) fn library(self) -> &'static Library {
        &self.0.library
    }

    /// The witness of `cuda-contexts`, if it stands before this driver.
    #[inline]
    pub(crate) fn witness(self) -> Option<Witness> {
        self.0.witness
    }

    /// Refuses a forked child, before any driver call.
    #[inline]
    pub(crate) fn check_process(self) -> Result<(), Error> {
        if self.0.process.is_this_one() { Ok(()) } else { Err(self.forked()) }
    }

    #[cold]
    fn forked(self) -> Error {
        Error::ForkedAfterInit { initialised_in: Some(self.0.process.id()) }
    }

    pub(crate) fn count_unreleased(self) {
        self.0.unreleased.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    fn insides(self) -> &'static [device::Inside] {
        self.0.devices.get().map_or(&[], |devices| devices)
    }
}

/// Two handles are equal if they are of one driver.
impl PartialEq for Driver {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.0, other.0)
    }
}

impl Eq for Driver {}

impl Hash for Driver {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ptr::hash(self.0, state);
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Driver")
            .field("path", &self.path())
            .field("version", &self.version())
            .field("devices", &self.device_count())
            .finish()
    }
}
