//! Initialising a driver: its functions, `cuInit`, its version and its devices.

use std::ffi::c_int;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use crate::driver::append_only::AppendOnly;
use crate::driver::device;
use crate::driver::functions::Functions;
use crate::driver::holders::Witness;
use crate::driver::library::Library;
use crate::driver::process::Process;
use crate::driver::{Driver, Inside};
use crate::error::Error;
use crate::sync::{AtomicPtr, process_wide};
use crate::sys::{self, CUresult, CudaVersion};

process_wide! {
    /// The drivers whose `cuInit` was called in this process, or in one that it was forked from.
    static KNOWN: AppendOnly<Known> = AppendOnly::starting_at(AtomicPtr::new(ptr::null_mut()));
}

struct Known {
    /// The address of its release function: a driver that is loaded by two paths, or through a library that
    /// links to it, is one driver.
    identity: usize,
    /// In which `cuInit` was called, whatever it returned.
    process: Process,
    /// Set when a load succeeds.
    driver: OnceLock<Driver>,
}

impl Known {
    /// Its driver, if a load has succeeded; an error in a forked child.
    fn driver(&self) -> Result<Option<Driver>, Error> {
        match self.process.is_this_one() {
            true => Ok(self.driver.get().copied()),
            false => Err(Error::ForkedAfterInit { initialised_in: Some(self.process.id()) }),
        }
    }
}

impl Driver {
    /// Finds the driver among those loaded, or initialises it and adds it to them.
    ///
    /// Refuses a child of a process that called `cuInit`: there driver 580 was seen to crash in `cuInit` itself
    /// after the parent's had found no device.
    pub(super) fn initialise(library: Library, path: &Path) -> Result<Self, Error> {
        let release = library.symbol(sys::functions::cuDevicePrimaryCtxRelease_v11000.symbol());
        let is_known = |known: &&Known| release.is_some_and(|at| at.addr().get() == known.identity);
        if let Some(driver) = KNOWN.iter().find(is_known).map_or(Ok(None), Known::driver)? {
            return Ok(driver);
        }
        let functions = Functions::resolve(&library, path)?;
        let identity = functions.release.function as usize;
        let new = Known { identity, process: Process::current(), driver: OnceLock::new() };
        let known = KNOWN.add_unless(new, |known| known.identity == identity);
        if let Some(driver) = known.driver()? {
            return Ok(driver);
        }
        let driver = Self::new(library, path, functions, known.process)?;
        // If another thread is faster, its driver is used, and what was read here stays unused. A forked child
        // does not come here, where it could wait for a thread that it does not have.
        Ok(*known.driver.get_or_init(|| driver))
    }

    fn new(
        library: Library,
        path: &Path,
        functions: Functions,
        process: Process,
    ) -> Result<Self, Error> {
        // SAFETY: flags must be 0, and cuInit may be called any number of times. A child forked after
        // other code's cuInit had found no device looks like a new process: driver 580 ends it
        // here by SIGSEGV, as it would in any caller.
        let code = unsafe { (functions.init.function)(0) };
        initialised(code, path)?;

        let mut version: c_int = 0;
        // SAFETY: the out-parameter is an int of ours.
        let code = unsafe { (functions.driver_get_version.function)(&mut version) };
        functions.driver_get_version.returned(code).check(None)?;
        let version = CudaVersion::from_raw(version);

        let mut count: c_int = 0;
        // SAFETY: the out-parameter is an int of ours.
        let code = unsafe { (functions.device_get_count.function)(&mut count) };
        functions.device_get_count.returned(code).check(None)?;
        let count = u32::try_from(count).unwrap_or(0);
        if count == 0 {
            return Err(no_device(path));
        }
        let raw_devices = (0..count).map(|ordinal| {
            let mut raw: sys::CUdevice = 0;
            // SAFETY: the out-parameter is a device of ours. The ordinal fits an int, as the count did.
            let code = unsafe { (functions.device_get.function)(&mut raw, ordinal as c_int) };
            functions.device_get.returned(code).check(Some(ordinal)).map(|()| raw)
        });
        let raw_devices = raw_devices.collect::<Result<Vec<_>, Error>>()?;
        Ok(Self::keep(library, path, functions, version, process, raw_devices))
    }

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
}

/// Whether a process that this one was forked from called `cuInit`.
pub(crate) fn is_child_of_initialised() -> bool {
    KNOWN.iter().any(|known| !known.process.is_this_one())
}

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
