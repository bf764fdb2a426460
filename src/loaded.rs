//! What is kept of a driver for the rest of the process: its functions, its devices, and the ledger
//! of the handles alive on each.

use std::ffi::{CStr, c_int};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{MutexGuard, OnceLock};

use crate::append_only::AppendOnly;
use crate::device::Uuid;
use crate::entry_points::{EntryPoints, Missing};
use crate::error::Error;
use crate::fork::Process;
pub(crate) use crate::ledger::Ledger;
use crate::ledger::LedgerLock;
use crate::library::Library;
use crate::sys::{self, CUresult};

pub(crate) struct Loaded {
    library: Library,
    path: Box<Path>,
    entry_points: EntryPoints,
    version: i32,
    devices: Box<[DeviceRecord]>,
    process: Process,
    ledger: LedgerLock,
    unreleased: AtomicU64,
}

/// What was read of one device.
pub(crate) struct DeviceRecord {
    pub(crate) handle: sys::CUdevice,
    pub(crate) uuid: OnceLock<Uuid>,
}

impl Loaded {
    /// Resolves the functions, calls `cuInit` and reads version and devices.
    pub(crate) fn new(library: Library, path: &Path) -> Result<Self, Error> {
        let entry_points =
            EntryPoints::resolve(library).map_err(|missing| unusable(library, path, missing))?;
        let process = initialising(library)?;
        // SAFETY: flags must be 0, and cuInit may be called any number of times.
        let code = unsafe { (entry_points.init)(0) };
        initialised(code, path)?;

        let mut version: c_int = 0;
        // SAFETY: the out-parameter is an int of ours.
        let code = unsafe { (entry_points.driver_get_version)(&mut version) };
        succeeded(code, "cuDriverGetVersion", None)?;

        let mut count: c_int = 0;
        // SAFETY: the out-parameter is an int of ours.
        let code = unsafe { (entry_points.device_get_count)(&mut count) };
        succeeded(code, "cuDeviceGetCount", None)?;
        let count = u32::try_from(count).unwrap_or(0);
        if count == 0 {
            return Err(no_device(path));
        }
        let devices: Box<[DeviceRecord]> = (0..count)
            .map(|ordinal| {
                let mut handle: sys::CUdevice = 0;
                // SAFETY: the out-parameter is a device handle of ours. The ordinal fits an int,
                // as the count did.
                let code = unsafe { (entry_points.device_get)(&mut handle, ordinal as c_int) };
                succeeded(code, "cuDeviceGet", Some(ordinal))?;
                Ok(DeviceRecord { handle, uuid: OnceLock::new() })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            library,
            path: path.into(),
            entry_points,
            version,
            ledger: LedgerLock::new(devices.len()),
            devices,
            process,
            unreleased: AtomicU64::new(0),
        })
    }

    pub(crate) fn is(&self, library: Library) -> bool {
        self.library == library
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn version(&self) -> i32 {
        self.version
    }

    #[inline]
    pub(crate) fn device_count(&self) -> u32 {
        // There were as many as a C int told.
        self.devices.len() as u32
    }

    #[inline]
    pub(crate) fn device(&self, ordinal: u32) -> &DeviceRecord {
        &self.devices[ordinal as usize]
    }

    /// The functions, for a caller that has made sure of the process.
    #[inline]
    pub(crate) fn functions(&self) -> &EntryPoints {
        &self.entry_points
    }

    pub(crate) fn library(&self) -> Library {
        self.library
    }

    /// The error for a function that this driver lacks.
    pub(crate) fn lacks(&self, symbol: &CStr, introduced: i32) -> Error {
        lacks(&self.path, symbol, self.version, introduced)
    }

    /// Refuses a forked child, before any driver call.
    #[inline]
    pub(crate) fn check_process(&self) -> Result<(), Error> {
        match self.process.is_this_one() {
            true => Ok(()),
            false => Err(self.forked()),
        }
    }

    /// Takes the lock for retains and releases, and with it the ledger. Context teardown racing
    /// other threads' driver calls has been seen to crash inside libcuda.
    ///
    /// Never waits in a forked child, where the thread that holds the lock does not exist.
    #[inline]
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Ledger>, Error> {
        self.check_process()?;
        self.ledger.lock(|| match self.process.has_this_id() {
            true => Ok(()),
            false => Err(self.forked()),
        })
    }

    /// The result of a driver call as an error, or nothing.
    #[inline]
    pub(crate) fn check(
        &self,
        code: CUresult,
        call: &'static str,
        device: Option<u32>,
    ) -> Result<(), Error> {
        match code.is_success() {
            true => Ok(()),
            false => Err(self.error(code, call, device)),
        }
    }

    #[cold]
    pub(crate) fn error(&self, code: CUresult, call: &'static str, device: Option<u32>) -> Error {
        // The second witness, where the kernel could not be the first.
        if code == CUresult::CUDA_ERROR_NOT_INITIALIZED && !self.process.has_this_id() {
            return self.forked();
        }
        Error::Driver { call, device, code }
    }

    /// Counts a reference that a dropped handle could not give back.
    pub(crate) fn count_unreleased(&self) {
        self.unreleased.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unreleased(&self) -> u64 {
        self.unreleased.load(Ordering::Relaxed)
    }

    #[cold]
    fn forked(&self) -> Error {
        Error::ForkedAfterInit { initialised_in: Some(self.process.id()) }
    }
}

/// A process in which `cuInit` of a library was called, whatever it answered.
struct Initialised {
    library: Library,
    process: Process,
}

/// Every such process that this one knows of: itself, and those that it was forked from.
static INITIALISED: AppendOnly<Initialised> =
    AppendOnly::starting_at(AtomicPtr::new(ptr::null_mut()));

/// Notes that `cuInit` is about to be called, and refuses a child of a process that called it: there
/// driver 580 was seen to crash in `cuInit` itself when the parent's had found no device.
fn initialising(library: Library) -> Result<Process, Error> {
    if let Some(process) = of_a_parent(|other| other == library) {
        return Err(Error::ForkedAfterInit { initialised_in: Some(process.id()) });
    }
    let new = Initialised { library, process: Process::current() };
    Ok(INITIALISED.add_unless(new, |known| known.library == library).process)
}

/// The process that called `cuInit` of such a library and that this one was forked from, if any.
pub(crate) fn of_a_parent(is_meant: impl Fn(Library) -> bool) -> Option<Process> {
    let known = INITIALISED.iter().filter(|known| is_meant(known.library));
    known.map(|known| known.process).find(|process| !process.is_this_one())
}

fn succeeded(code: CUresult, call: &'static str, device: Option<u32>) -> Result<(), Error> {
    match code.is_success() {
        true => Ok(()),
        false => Err(Error::Driver { call, device, code }),
    }
}

/// What cuInit's answer says about the driver and the process.
fn initialised(code: CUresult, path: &Path) -> Result<(), Error> {
    match code {
        // Before cuInit nothing can be uninitialised but a child whose parent had called it.
        CUresult::CUDA_ERROR_NOT_INITIALIZED => {
            Err(Error::ForkedAfterInit { initialised_in: None })
        }
        CUresult::CUDA_ERROR_STUB_LIBRARY => Err(Error::StubLibrary { library: path.into() }),
        CUresult::CUDA_ERROR_NO_DEVICE => Err(no_device(path)),
        code => succeeded(code, "cuInit", None),
    }
}

fn no_device(path: &Path) -> Error {
    let visible = std::env::var_os("CUDA_VISIBLE_DEVICES");
    Error::NoDevice {
        library: path.into(),
        visible_devices: visible.map(|value| value.to_string_lossy().into()),
    }
}

/// Why a library that was to be loaded lacks a function: it is no driver, or lacks that one.
fn unusable(library: Library, path: &Path, missing: Missing) -> Error {
    let Missing { symbol, introduced } = missing;
    match EntryPoints::version_of(library) {
        Some(driver) => lacks(path, symbol, driver, introduced),
        None => Error::NotADriver { library: path.into(), missing: text(symbol) },
    }
}

/// Why a driver lacks a function: it is older, or its version should have it.
fn lacks(path: &Path, symbol: &CStr, driver: i32, introduced: i32) -> Error {
    let (library, symbol) = (path.into(), text(symbol));
    match driver < introduced {
        true => Error::DriverTooOld { library, symbol, driver, introduced },
        false => Error::FunctionMissing { library, symbol, driver, introduced },
    }
}

fn text(symbol: &CStr) -> Box<str> {
    symbol.to_string_lossy().into()
}
