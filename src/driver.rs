//! A loaded driver: its functions, its devices, and the ledger of the handles alive on each.

use std::ffi::CString;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::ptr;
use std::sync::atomic::AtomicPtr;

use crate::driver::append_only::AppendOnly;
use crate::driver::device::Device;
use crate::driver::entry_points::EntryPoints;
use crate::driver::library::Library;
use crate::driver::loaded::Loaded;
use crate::driver::uuid::Uuid;
use crate::driver::version::CudaVersion;
use crate::error::Error;
use crate::sys::{self, CUresult};

mod append_only;
pub(crate) mod calls;
pub(crate) mod device;
pub(crate) mod entry_points;
pub(crate) mod holders;
pub(crate) mod ledger;
pub(crate) mod library;
pub(crate) mod loaded;
mod look_up;
pub(crate) mod missing;
pub(crate) mod process;
#[cfg(feature = "serde")]
mod serialize;
pub(crate) mod uuid;
pub(crate) mod version;

/// What the list of drivers is made of.
mod atomic {
    pub(crate) use std::sync::atomic::{AtomicPtr, Ordering};
}

/// An initialised CUDA driver.
///
/// A small handle that can be copied and sent anywhere. The library behind it stays loaded until
/// the process ends. Two loads that lead to one driver, by whatever paths or through a library that
/// links to it, are the same driver, known by the address of its release function.
///
/// Two copies of this crate in one process, one in each of two shared objects say, do not know of each
/// other: to the one, what the other holds is somebody else's. Cargo keeps two versions out of one
/// program.
#[derive(Clone, Copy)]
pub struct Driver {
    loaded: &'static Loaded,
}

/// The drivers loaded so far. Failed loads are not among them.
static LOADED: AppendOnly<&'static Loaded> =
    AppendOnly::starting_at(AtomicPtr::new(ptr::null_mut()));

impl Driver {
    /// Loads NVIDIA's driver, initialises it and reads the devices that it shows this process.
    ///
    /// Opens `libcuda.so.1`, or where that is missing the library of the Windows Subsystem for
    /// Linux; on Windows itself `nvcuda.dll` in the system's folder. The first that opens is the one:
    /// where its `cuInit` fails, no other is tried. Calls `cuInit`, `cuDriverGetVersion`,
    /// `cuDeviceGetCount`, and for each device `cuDeviceGet`, `cuDeviceGetUuid`
    /// and `cuDeviceGetPCIBusId`; creates no context. The driver reads `CUDA_VISIBLE_DEVICES`
    /// at that moment. A driver that was loaded before is found again without a call; a failed load is
    /// tried anew.
    ///
    /// # Errors
    /// [`Error::LibraryNotFound`], [`Error::NotADriver`], [`Error::DriverTooOld`],
    /// [`Error::FunctionMissing`], [`Error::StubLibrary`], [`Error::NoDevice`],
    /// [`Error::ForkedAfterInit`], and [`Error::Driver`] for any other answer of those calls.
    #[doc(alias = "cuInit")]
    pub fn load() -> Result<Self, Error> {
        let (library, name) = Library::open_driver()?;
        Self::initialise(library, name)
    }

    /// Loads a named driver library: a simulated one, or a test double. Otherwise as
    /// [`load`](Self::load).
    ///
    /// The path goes to `dlopen` (`LoadLibraryExW`) as it is: a name without a slash is searched for.
    /// An empty one is refused.
    ///
    /// # Safety
    /// Opening a library runs its initialisers, and every call of this crate believes its functions
    /// to have the signatures of `cuda.h`: it is a CUDA driver, or stands in for one in all that.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub unsafe fn load_from(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        // SAFETY: the caller's promise.
        let library = unsafe { Library::open_named(path) }?;
        Self::initialise(library, path)
    }

    /// The library as it was asked for.
    #[must_use]
    pub fn path(self) -> &'static Path {
        self.loaded.path()
    }

    /// The newest CUDA version that the driver supports, read once when it is loaded
    /// (`cuDriverGetVersion`).
    #[doc(alias = "cuDriverGetVersion")]
    #[must_use]
    pub fn version(self) -> CudaVersion {
        self.loaded.version()
    }

    /// How many devices the driver shows this process. Read once, at load.
    #[doc(alias = "cuDeviceGetCount")]
    #[inline]
    #[must_use]
    pub fn device_count(self) -> u32 {
        // There were as many as a C int told.
        self.loaded.devices().len() as u32
    }

    /// The device of this ordinal, as the driver numbers them in this process.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`].
    #[doc(alias = "cuDeviceGet")]
    #[inline]
    pub fn device(self, ordinal: u32) -> Result<Device, Error> {
        let record = self.loaded.devices().get(ordinal as usize);
        record
            .map(Device)
            .ok_or_else(|| Error::NoSuchDevice { ordinal, count: self.device_count() })
    }

    /// Every device, in the order of its ordinal.
    #[inline]
    pub fn devices(self) -> impl ExactSizeIterator<Item = Device> + DoubleEndedIterator + Clone {
        self.loaded.devices().iter().map(Device)
    }

    /// The device with this unique id, as `nvidia-smi -L` tells it: another process's ordinals are its
    /// own. Asks each device as [`Device::uuid`] does.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`], and those of [`Device::uuid`].
    pub fn device_by_uuid(self, uuid: Uuid) -> Result<Device, Error> {
        for device in self.devices() {
            if device.uuid()? == uuid {
                return Ok(device);
            }
        }
        Err(self.unknown_device(uuid.to_string()))
    }

    /// The device at this PCI address, written `domain:bus:device.function`; the domain or the function may
    /// be left out. Calls `cuDeviceGetByPCIBusId`.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`] where the driver shows no device there or the text is no address
    /// (`CUDA_ERROR_INVALID_DEVICE`, `CUDA_ERROR_INVALID_VALUE`), [`Error::Driver`] for any other
    /// answer, [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetByPCIBusId")]
    pub fn device_by_pci_bus_id(self, address: &str) -> Result<Device, Error> {
        self.loaded.check_process()?;
        let Ok(text) = CString::new(address) else {
            return Err(self.unknown_device(address));
        };
        let mut handle: sys::CUdevice = 0;
        let by_address = self.loaded.functions().device_get_by_pci_bus_id;
        // SAFETY: the out-parameter is a device handle of ours, the text a C string.
        let code = unsafe { by_address(&mut handle, text.as_ptr()) };
        match code {
            CUresult::CUDA_ERROR_INVALID_DEVICE | CUresult::CUDA_ERROR_INVALID_VALUE => {
                return Err(self.unknown_device(address));
            }
            code => self.loaded.check(code, "cuDeviceGetByPCIBusId", None)?,
        }
        self.device_from_raw(handle)
    }

    /// The device of this handle of the raw layer. Calls nothing.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`] where `cuDeviceGet` gave this process no such handle.
    pub fn device_from_raw(self, handle: sys::CUdevice) -> Result<Device, Error> {
        let mut devices = self.devices();
        let found = devices.find(|device| device.as_raw() == handle);
        found.ok_or_else(|| self.unknown_device(format!("with the handle {handle}")))
    }

    #[cold]
    fn unknown_device(self, identity: impl Into<Box<str>>) -> Error {
        Error::UnknownDevice { identity: identity.into(), count: self.device_count() }
    }

    /// How many references were given up on: the driver refused to take them back from a handle that
    /// was dropped, or whose [`ReleaseError`](crate::ReleaseError) was.
    ///
    /// Drop has nobody to report to. Where nothing was left to give back, nothing is counted: after
    /// `CUDA_ERROR_NOT_INITIALIZED`, `CUDA_ERROR_DEINITIALIZED` and `CUDA_ERROR_INVALID_CONTEXT`, and
    /// where the context is inactive after the call, whatever that answered.
    #[must_use]
    pub fn unreleased(self) -> u64 {
        self.loaded.unreleased()
    }

    #[inline]
    pub(crate) fn loaded(self) -> &'static Loaded {
        self.loaded
    }

    #[inline]
    pub(crate) fn of(loaded: &'static Loaded) -> Self {
        Self { loaded }
    }

    /// Finds the driver among those loaded, or initialises it and adds it to them.
    fn initialise(library: Library, path: &Path) -> Result<Self, Error> {
        let is_known = |identity| LOADED.iter().copied().find(|loaded| loaded.is(identity));
        if let Some(loaded) = EntryPoints::identity_of(&library).and_then(is_known) {
            loaded.check_process()?;
            return Ok(Self { loaded });
        }
        // Another thread may be faster: its driver is the one then, and what was read here stays
        // unused.
        let new = Loaded::new(library, path)?;
        Ok(Self { loaded: LOADED.add_unless(new, |loaded| loaded.is(new.identity())) })
    }
}

/// Two handles are equal when they stand for one driver.
impl PartialEq for Driver {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.loaded, other.loaded)
    }
}

impl Eq for Driver {}

impl Hash for Driver {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ptr::hash(self.loaded, state);
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
