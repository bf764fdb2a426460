//! A loaded driver: its functions, its devices, and the ledger of the handles alive on each.

use std::fmt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::AtomicPtr;

use crate::append_only::AppendOnly;
use crate::device::Device;
use crate::error::Error;
use crate::library::Library;
use crate::loaded::Loaded;

/// The driver's library, and where WSL keeps it. Never `libcuda.so`: where a toolkit is installed,
/// that is often its stub, which answers every call with `CUDA_ERROR_STUB_LIBRARY`.
const LIBRARIES: [&str; 2] = ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"];

/// An initialised CUDA driver.
///
/// A small handle that can be copied and sent anywhere. The library behind it stays loaded until
/// the process ends, and two loads of one library are the same driver.
#[derive(Clone, Copy)]
pub struct Driver {
    loaded: &'static Loaded,
}

/// The drivers loaded so far. Failed loads are not among them.
static LOADED: AppendOnly<Loaded> = AppendOnly::starting_at(AtomicPtr::new(ptr::null_mut()));

impl Driver {
    /// Loads NVIDIA's driver, initialises it and reads the devices that it shows this process.
    ///
    /// Opens `libcuda.so.1`, or where that is missing the library of the Windows Subsystem for
    /// Linux. Calls `cuInit`, `cuDriverGetVersion`, `cuDeviceGetCount` and `cuDeviceGet`; creates no
    /// context. The driver reads `CUDA_VISIBLE_DEVICES` at that moment. A driver that was loaded
    /// before is found again without a call; a failed load is tried anew.
    ///
    /// # Errors
    /// [`Error::LibraryNotFound`], [`Error::NotADriver`], [`Error::DriverTooOld`],
    /// [`Error::FunctionMissing`], [`Error::StubLibrary`], [`Error::NoDevice`],
    /// [`Error::ForkedAfterInit`], and [`Error::Driver`] for any other answer of those calls.
    #[doc(alias = "cuInit")]
    pub fn load() -> Result<Self, Error> {
        let mut tried = Vec::new();
        for name in LIBRARIES {
            match Library::open(Path::new(name)) {
                Ok(library) => return Self::initialise(library, Path::new(name)),
                Err(attempt) => tried.push(attempt),
            }
        }
        Err(Error::LibraryNotFound { tried })
    }

    /// Loads a named driver library: a simulated one, or a test double. Otherwise as
    /// [`load`](Self::load).
    ///
    /// The path goes to `dlopen` as it is: a name without a slash is searched for.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_from(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let library = Library::open(path)
            .map_err(|attempt| Error::LibraryNotFound { tried: vec![attempt] })?;
        Self::initialise(library, path)
    }

    /// The library as it was asked for.
    #[must_use]
    pub fn path(self) -> &'static Path {
        self.loaded.path()
    }

    /// The newest CUDA version that the driver supports: 1000 × major + 10 × minor. Read once, at
    /// load, with `cuDriverGetVersion`.
    #[doc(alias = "cuDriverGetVersion")]
    #[must_use]
    pub fn version(self) -> i32 {
        self.loaded.version()
    }

    /// Whether this is the simulated driver of the crate `simulated-libcuda`, known by a function of
    /// its own, and not one that has GPUs.
    #[must_use]
    pub fn is_simulated(self) -> bool {
        self.loaded.library().symbol(c"simulated_cuda_version").is_some()
    }

    /// How many devices the driver shows this process. Read once, at load.
    #[doc(alias = "cuDeviceGetCount")]
    #[inline]
    #[must_use]
    pub fn device_count(self) -> u32 {
        self.loaded.device_count()
    }

    /// The device of this ordinal, as the driver numbers them in this process.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`].
    #[doc(alias = "cuDeviceGet")]
    #[inline]
    pub fn device(self, ordinal: u32) -> Result<Device, Error> {
        match ordinal < self.device_count() {
            true => Ok(Device::new(self, ordinal)),
            false => Err(Error::NoSuchDevice { ordinal, count: self.device_count() }),
        }
    }

    /// Every device, in the order of its ordinal.
    #[inline]
    pub fn devices(self) -> impl ExactSizeIterator<Item = Device> + DoubleEndedIterator + Clone {
        (0..self.device_count()).map(move |ordinal| Device::new(self, ordinal))
    }

    /// How many references dropped handles could not give back, for want of a driver that answered.
    ///
    /// Drop has nobody to report to. Answers that mean that there was nothing left to give back
    /// (`CUDA_ERROR_NOT_INITIALIZED`, `CUDA_ERROR_DEINITIALIZED`, `CUDA_ERROR_INVALID_CONTEXT`) are
    /// not counted.
    #[must_use]
    pub fn unreleased(self) -> u64 {
        self.loaded.unreleased()
    }

    #[inline]
    pub(crate) fn loaded(self) -> &'static Loaded {
        self.loaded
    }

    /// Finds the driver among those loaded, or initialises it and adds it to them.
    fn initialise(library: Library, path: &Path) -> Result<Self, Error> {
        if let Some(loaded) = LOADED.iter().find(|loaded| loaded.is(library)) {
            loaded.check_process()?;
            return Ok(Self { loaded });
        }
        // Another thread may have been faster, with this library or with another.
        let new = Loaded::new(library, path)?;
        Ok(Self { loaded: LOADED.add_unless(new, |loaded| loaded.is(library)) })
    }
}

/// Two handles are equal when they stand for one loaded library.
impl PartialEq for Driver {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.loaded, other.loaded)
    }
}

impl Eq for Driver {}

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
