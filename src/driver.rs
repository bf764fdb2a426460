//! A loaded driver: its functions, its devices, and how this crate finds them.

use std::ffi::CString;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::driver::functions::Functions;
use crate::driver::holders::Witness;
use crate::driver::library::Library;
use crate::driver::process::Process;
use crate::driver::uuid::Uuid;
use crate::error::Error;
use crate::sys::{self, CUresult, CudaVersion};

pub(crate) mod append_only;
pub(crate) mod calls;
pub(crate) mod device;
pub(crate) mod functions;
pub(crate) mod holders;
mod identity;
pub(crate) mod initialise;
pub(crate) mod ledger;
pub(crate) mod library;
mod look_up;
pub(crate) mod missing;
pub(crate) mod process;
#[cfg(feature = "serde")]
mod serialize;
pub(crate) mod uuid;

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
        &self.0.path
    }

    /// The newest CUDA version that the driver supports, read once when it is loaded
    /// (`cuDriverGetVersion`).
    #[doc(alias = "cuDriverGetVersion")]
    #[must_use]
    pub fn version(self) -> CudaVersion {
        self.0.version
    }

    /// How many devices the driver shows this process. Read once, at load.
    #[doc(alias = "cuDeviceGetCount")]
    #[inline]
    #[must_use]
    pub fn device_count(self) -> u32 {
        // There are as many as fit a C int.
        self.insides().len() as u32
    }

    /// The device of this ordinal, as the driver numbers them in this process.
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

    /// The device with this unique id, as `nvidia-smi -L` tells it: another process's ordinals are its
    /// own. Asks each device as [`Device::uuid`] does.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`], and those of [`Device::uuid`].
    pub fn device_by_uuid(self, uuid: Uuid) -> Result<Device, Error> {
        self.check_process()?;
        if let Some(found) = self.devices().find(|device| device.known_uuid() == Some(uuid)) {
            return Ok(found);
        }
        // It may be a device whose id could not be read.
        self.devices().try_for_each(|device| device.uuid().map(drop))?;
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
        self.check_process()?;
        let Ok(text) = CString::new(address) else {
            return Err(self.unknown_device(address));
        };
        let mut raw: sys::CUdevice = 0;
        let by_address = self.functions().device_get_by_pci_bus_id;
        // SAFETY: the out-parameter is a device of ours, the text a C string.
        let code = unsafe { (by_address.function)(&mut raw, text.as_ptr()) };
        match code {
            CUresult::CUDA_ERROR_INVALID_DEVICE | CUresult::CUDA_ERROR_INVALID_VALUE => {
                return Err(self.unknown_device(address));
            }
            code => self.check(by_address.returned(code))?,
        }
        self.device_from_raw(raw)
    }

    /// The device of this handle of the raw layer. Calls nothing.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`] where `cuDeviceGet` gave this process no such handle.
    pub fn device_from_raw(self, raw: sys::CUdevice) -> Result<Device, Error> {
        let mut devices = self.devices();
        let found = devices.find(|device| device.as_raw() == raw);
        found.ok_or_else(|| self.unknown_device(format!("with the handle {raw}")))
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
        match self.0.process.is_this_one() {
            true => Ok(()),
            false => Err(self.forked()),
        }
    }

    /// Refuses a forked child that would wait for a thread which it does not have: the second check, for
    /// kernels that do not empty the mark.
    #[cold]
    pub(crate) fn check_process_id(self) -> Result<(), Error> {
        match self.0.process.has_this_id() {
            true => Ok(()),
            false => Err(self.forked()),
        }
    }

    #[cold]
    pub(crate) fn forked(self) -> Error {
        Error::ForkedAfterInit { initialised_in: Some(self.0.process.id()) }
    }

    /// The error for a failed call about no device, or nothing.
    #[inline]
    pub(crate) fn check(self, call: Call) -> Result<(), Error> {
        match call.is_success() {
            true => Ok(()),
            false => Err(self.error(call, None)),
        }
    }

    #[cold]
    pub(crate) fn error(self, call: Call, device: Option<u32>) -> Error {
        // The second check, for kernels that do not empty the mark.
        if call.code == CUresult::CUDA_ERROR_NOT_INITIALIZED && !self.0.process.has_this_id() {
            return self.forked();
        }
        call.error(device)
    }

    /// Counts a reference that a dropped handle could not give back.
    pub(crate) fn count_unreleased(self) {
        self.0.unreleased.fetch_add(1, Ordering::Relaxed);
    }

    /// The devices, in the order of their ordinals.
    #[inline]
    fn insides(self) -> &'static [device::Inside] {
        self.0.devices.get().map_or(&[], |devices| devices)
    }
}

/// Two handles are equal when they stand for one driver.
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
