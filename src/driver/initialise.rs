//! Initialising a driver: its functions, `cuInit`, its version and its devices.

use std::ffi::c_int;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use crate::driver::append_only::AppendOnly;
use crate::driver::calls::Call;
use crate::driver::device;
use crate::driver::functions::Functions;
use crate::driver::holders::Witness;
use crate::driver::library::Library;
use crate::driver::missing::unusable;
use crate::driver::process::Process;
use crate::driver::{Driver, Inside};
use crate::error::Error;
use crate::sync::{AtomicPtr, process_wide};
use crate::sys::{self, CUresult, CudaVersion};

process_wide! {
    /// The drivers loaded so far. Failed loads are not among them.
    static LOADED: AppendOnly<Driver> =
        AppendOnly::starting_at(AtomicPtr::new(ptr::null_mut()));
}

process_wide! {
    /// The processes that this one knows of in which `cuInit` was called: itself, and those that it was
    /// forked from.
    static INITIALISED: AppendOnly<Initialised> =
        AppendOnly::starting_at(AtomicPtr::new(ptr::null_mut()));
}

/// A process in which `cuInit` of a driver was called, whatever it returned.
struct Initialised {
    identity: usize,
    process: Process,
}

impl Driver {
    /// Finds the driver among those loaded, or initialises it and adds it to them.
    pub(super) fn initialise(library: Library, path: &Path) -> Result<Self, Error> {
        let is_known = |identity| LOADED.iter().copied().find(|driver| driver.is(identity));
        if let Some(driver) = Functions::identity_of(&library).and_then(is_known) {
            driver.check_process()?;
            return Ok(driver);
        }
        // If another thread is faster, its driver is used, and what was read here stays unused.
        let new = Self::new(library, path)?;
        Ok(*LOADED.add_unless(new, |driver| driver.is(new.functions().identity())))
    }

    /// Calls `cuInit`, and reads version and devices.
    fn new(library: Library, path: &Path) -> Result<Self, Error> {
        let functions =
            Functions::resolve(&library).map_err(|missing| unusable(&library, path, missing))?;
        let process = initialising(functions.identity())?;
        // SAFETY: flags must be 0, and cuInit may be called any number of times. A child forked after
        // other code's cuInit had found no device looks like a new process: driver 580 ends it
        // here by SIGSEGV, as it would in any caller.
        let code = unsafe { (functions.init.function)(0) };
        initialised(code, path)?;

        let failed = |device| move |call: Call| call.error(device);
        let mut version: c_int = 0;
        // SAFETY: the out-parameter is an int of ours.
        let code = unsafe { (functions.driver_get_version.function)(&mut version) };
        functions.driver_get_version.returned(code).result().map_err(failed(None))?;
        let version = CudaVersion::from_raw(version);

        let mut count: c_int = 0;
        // SAFETY: the out-parameter is an int of ours.
        let code = unsafe { (functions.device_get_count.function)(&mut count) };
        functions.device_get_count.returned(code).result().map_err(failed(None))?;
        let count = u32::try_from(count).unwrap_or(0);
        if count == 0 {
            return Err(no_device(path));
        }
        let raw_devices = (0..count).map(|ordinal| {
            let mut raw: sys::CUdevice = 0;
            // SAFETY: the out-parameter is a device of ours. The ordinal fits an int, as the count did.
            let code = unsafe { (functions.device_get.function)(&mut raw, ordinal as c_int) };
            let call = functions.device_get.returned(code).result();
            call.map(|()| raw).map_err(failed(Some(ordinal)))
        });
        let raw_devices = raw_devices.collect::<Result<Vec<_>, Error>>()?;
        Ok(Self::keep(library, path, functions, version, process, raw_devices))
    }

    /// Keeps what was read for the rest of the process.
    pub(crate) fn keep(
        library: Library,
        path: &Path,
        functions: Functions,
        version: CudaVersion,
        process: Process,
        raw_devices: Vec<sys::CUdevice>,
    ) -> Self {
        let driver = Self(Box::leak(Box::new(Inside {
            functions,
            process,
            devices: OnceLock::new(),
            unreleased: AtomicU64::new(0),
            version,
            witness: Witness::find(&library),
            library,
            path: path.into(),
        })));
        // Nobody else knows the driver yet, so that nobody waits here, a forked child least of all.
        driver.0.devices.get_or_init(|| {
            let devices = (0..).zip(raw_devices);
            devices.map(|(ordinal, raw)| device::Inside::new(driver, ordinal, raw)).collect()
        });
        driver
    }

    /// Whether this is the driver with this [identity](Functions::identity).
    fn is(self, identity: usize) -> bool {
        self.functions().identity() == identity
    }
}

/// Notes that `cuInit` is about to be called, and refuses a child of a process that called it: there
/// driver 580 was seen to crash in `cuInit` itself after the parent's had found no device.
fn initialising(identity: usize) -> Result<Process, Error> {
    if let Some(process) = forked_from(|other| other == identity) {
        return Err(Error::ForkedAfterInit { initialised_in: Some(process.id()) });
    }
    let new = Initialised { identity, process: Process::current() };
    Ok(INITIALISED.add_unless(new, |known| known.identity == identity).process)
}

/// The process that called `cuInit` of such a driver and that this one was forked from, if any.
pub(crate) fn forked_from(is_such: impl Fn(usize) -> bool) -> Option<Process> {
    let known = INITIALISED.iter().filter(|known| is_such(known.identity));
    known.map(|known| known.process).find(|process| !process.is_this_one())
}

/// What the result of cuInit says about the driver and the process.
fn initialised(code: CUresult, path: &Path) -> Result<(), Error> {
    match code {
        CUresult::CUDA_SUCCESS => Ok(()),
        // Before cuInit nothing can be uninitialised but a child whose parent had called it.
        CUresult::CUDA_ERROR_NOT_INITIALIZED => {
            Err(Error::ForkedAfterInit { initialised_in: None })
        }
        CUresult::CUDA_ERROR_STUB_LIBRARY => Err(Error::StubLibrary { library: path.into() }),
        CUresult::CUDA_ERROR_NO_DEVICE => Err(no_device(path)),
        code => Err(Error::Driver { call: "cuInit", device: None, code }),
    }
}

fn no_device(path: &Path) -> Error {
    let visible = std::env::var_os("CUDA_VISIBLE_DEVICES");
    Error::NoDevice {
        library: path.into(),
        visible_devices: visible.map(|value| value.to_string_lossy().into()),
    }
}
