//! What is kept of a driver for the rest of the process: its functions and its devices, each with its
//! word of the ledger.

use std::ffi::{CStr, c_int};
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::driver::append_only::AppendOnly;
use crate::driver::device::Device;
use crate::driver::entry_points::EntryPoints;
use crate::driver::holders::Witness;
use crate::driver::ledger::Handles;
use crate::driver::library::Library;
use crate::driver::missing::{lacks, unusable};
use crate::driver::process::Process;
use crate::driver::uuid::Uuid;
use crate::driver::version::CudaVersion;
use crate::error::Error;
use crate::sys::{self, CUresult};

/// Made once and never freed: every handle points into it.
pub(crate) struct Loaded {
    entry_points: EntryPoints,
    process: Process,
    devices: OnceLock<Box<[DeviceRecord]>>,
    /// The devices' handles side by side: a walk over many inactive devices then reads little memory.
    device_handles: Box<[sys::CUdevice]>,
    unreleased: AtomicU64,
    version: CudaVersion,
    identity: usize,
    library: Library,
    witness: Option<Witness>,
    path: Box<Path>,
}

/// What is kept of one device.
pub(crate) struct DeviceRecord {
    pub(crate) driver: &'static Loaded,
    pub(crate) handle: sys::CUdevice,
    pub(crate) ordinal: u32,
    pub(crate) handles: Handles,
    pub(crate) uuid: OnceLock<Uuid>,
    pub(crate) pci_bus_id: OnceLock<Box<str>>,
    /// How many references runs of this process released here. It only grows.
    pub(crate) released: AtomicU32,
}

impl Loaded {
    /// Resolves the functions, calls `cuInit` and reads version and devices.
    pub(crate) fn new(library: Library, path: &Path) -> Result<&'static Self, Error> {
        let entry_points =
            EntryPoints::resolve(&library).map_err(|missing| unusable(&library, path, missing))?;
        let process = initialising(entry_points.identity())?;
        // SAFETY: flags must be 0, and cuInit may be called any number of times. A child of somebody else's
        // cuInit that found no device cannot be told from a fresh process: driver 580 ends it here by
        // SIGSEGV, as it would whoever called.
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
        let device_handles = (0..count).map(|ordinal| {
            let mut handle: sys::CUdevice = 0;
            // SAFETY: the out-parameter is a device handle of ours. The ordinal fits an int,
            // as the count did.
            let code = unsafe { (entry_points.device_get)(&mut handle, ordinal as c_int) };
            succeeded(code, "cuDeviceGet", Some(ordinal))?;
            Ok(handle)
        });
        let device_handles = device_handles.collect::<Result<Vec<_>, Error>>()?;
        let version = CudaVersion::from_raw(version);
        let loaded = Self::keep(library, path, entry_points, version, process, device_handles);
        // So that no report has to ask for them. A failure here is the caller's who asks again.
        for device in loaded.devices().iter().map(Device) {
            let _ = device.uuid();
            let _ = device.pci_bus_id();
        }
        Ok(loaded)
    }

    /// Keeps what was read for the rest of the process.
    pub(crate) fn keep(
        library: Library,
        path: &Path,
        entry_points: EntryPoints,
        version: CudaVersion,
        process: Process,
        device_handles: Vec<sys::CUdevice>,
    ) -> &'static Self {
        let loaded: &'static Self = Box::leak(Box::new(Self {
            identity: entry_points.identity(),
            entry_points,
            process,
            devices: OnceLock::new(),
            device_handles: device_handles.into(),
            unreleased: AtomicU64::new(0),
            version,
            witness: Witness::find(&library),
            library,
            path: path.into(),
        }));
        // Nobody else knows it yet, so that nobody waits here, a forked child least of all.
        loaded.devices.get_or_init(|| {
            let records =
                (0..).zip(&loaded.device_handles).map(|(ordinal, &handle)| DeviceRecord {
                    driver: loaded,
                    handle,
                    ordinal,
                    handles: Handles::none(),
                    uuid: OnceLock::new(),
                    pci_bus_id: OnceLock::new(),
                    released: AtomicU32::new(0),
                });
            records.collect()
        });
        loaded
    }

    /// By what the driver is known.
    pub(crate) fn identity(&self) -> usize {
        self.identity
    }

    /// Whether this is the driver with this [identity](EntryPoints::identity).
    pub(crate) fn is(&self, identity: usize) -> bool {
        self.identity == identity
    }

    /// The devices, in the order of their ordinals.
    #[inline]
    pub(crate) fn devices(&self) -> &[DeviceRecord] {
        self.devices.get().map_or(&[], |devices| devices)
    }

    /// Their handles, in the same order.
    #[inline]
    pub(crate) fn device_handles(&self) -> &[sys::CUdevice] {
        &self.device_handles
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn version(&self) -> CudaVersion {
        self.version
    }

    /// The functions, for a caller that has made sure of the process.
    #[inline]
    pub(crate) fn functions(&self) -> &EntryPoints {
        &self.entry_points
    }

    pub(crate) fn library(&self) -> &Library {
        &self.library
    }

    /// The witness of `cuda-contexts`, where it stands before this driver.
    pub(crate) fn witness(&self) -> Option<Witness> {
        self.witness
    }

    /// The error for a function that this driver lacks.
    pub(crate) fn lacks(&self, symbol: &CStr, introduced: CudaVersion) -> Error {
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

    /// Refuses a forked child that would wait for a thread which it does not have: the second check, where
    /// the kernel does not empty the mark.
    #[cold]
    pub(crate) fn check_process_id(&self) -> Result<(), Error> {
        match self.process.has_this_id() {
            true => Ok(()),
            false => Err(self.forked()),
        }
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
        // The second check, where the kernel does not empty the mark.
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
    pub(crate) fn forked(&self) -> Error {
        Error::ForkedAfterInit { initialised_in: Some(self.process.id()) }
    }
}

impl DeviceRecord {
    /// The result of a driver call for this device as an error, or nothing.
    #[inline]
    pub(crate) fn check(&self, code: CUresult, call: &'static str) -> Result<(), Error> {
        self.driver.check(code, call, Some(self.ordinal))
    }

    /// Counts references that a run released here; returns how many were counted before.
    pub(crate) fn count_released(&self, references: u32) -> u32 {
        self.released.fetch_add(references, Ordering::Relaxed)
    }

    /// Counts a handle in the ledger, before its retain.
    #[inline]
    pub(crate) fn count_handle(&self) -> Result<(), Error> {
        self.handles.add(|| self.driver.check_process_id())
    }
}

/// A process in which `cuInit` of a driver was called, whatever it answered.
struct Initialised {
    identity: usize,
    process: Process,
}

/// Every such process that this one knows of: itself, and those that it was forked from.
static INITIALISED: AppendOnly<Initialised> =
    AppendOnly::starting_at(AtomicPtr::new(ptr::null_mut()));

/// Notes that `cuInit` is about to be called, and refuses a child of a process that called it: there
/// driver 580 was seen to crash in `cuInit` itself when the parent's had found no device.
fn initialising(identity: usize) -> Result<Process, Error> {
    if let Some(process) = of_a_parent(|other| other == identity) {
        return Err(Error::ForkedAfterInit { initialised_in: Some(process.id()) });
    }
    let new = Initialised { identity, process: Process::current() };
    Ok(INITIALISED.add_unless(new, |known| known.identity == identity).process)
}

/// The process that called `cuInit` of such a driver and that this one was forked from, if any.
pub(crate) fn of_a_parent(is_meant: impl Fn(usize) -> bool) -> Option<Process> {
    let known = INITIALISED.iter().filter(|known| is_meant(known.identity));
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
