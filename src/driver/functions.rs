//! The driver functions that this crate calls, looked up once when a driver is loaded.
//!
//! Each is looked up by its exact, versioned symbol: `cuDevicePrimaryCtxRelease` without `_v2` is another
//! function, that of the ABI before CUDA 11.0. Symbols and signatures are the header's, from
//! [`sys::functions`](crate::sys::functions).

use std::ffi::CStr;
use std::path::Path;

use crate::driver::calls::Call;
use crate::driver::library::Library;
use crate::error::Error;
use crate::sys::function::{Function, FunctionPointer};
use crate::sys::{self, CUresult, CudaVersion};

/// A function of a loaded driver: its C name, and its address as a function pointer.
#[derive(Clone, Copy)]
pub(crate) struct Entry<F> {
    pub(crate) name: &'static str,
    pub(crate) function: F,
}

impl<F> Entry<F> {
    #[inline]
    pub(crate) fn returned(&self, code: CUresult) -> Call {
        Call { function: self.name, code }
    }
}

/// A table: a row for each function with its field, its constant, its signature, and whether a driver
/// without it is refused.
macro_rules! driver_functions {
    (
        $(#[$attribute:meta])*
        struct $table:ident { $($field:ident: $constant:ident, $signature:ident, $kind:ident;)* }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy)]
        pub(crate) struct $table { $(pub(crate) $field: entry_type!($signature, $kind),)* }

        impl $table {
            /// Looks every function up in the library that was opened by this path, in the order of the rows.
            pub(crate) fn resolve(library: &Library, path: &Path) -> Result<Self, Error> {
                Ok(Self { $($field: $kind(library, path, sys::functions::$constant)?,)* })
            }
        }
    };
}

macro_rules! entry_type {
    ($signature:ident, required) => { Entry<<sys::$signature as FunctionPointer>::Function> };
    ($signature:ident, optional) => { Option<entry_type!($signature, required)> };
}

fn optional<F: FunctionPointer>(
    library: &Library,
    _: &Path,
    function: Function<F>,
) -> Result<Option<Entry<F::Function>>, Error> {
    Ok(library.symbol(function.symbol()).map(|address| {
        let name = function.symbol().to_str().unwrap_or_default();
        // SAFETY: the symbol of this exact, versioned name in a CUDA driver is the function.
        Entry { name, function: unsafe { function.at(address) } }
    }))
}

fn required<F: FunctionPointer>(
    library: &Library,
    path: &Path,
    function: Function<F>,
) -> Result<Entry<F::Function>, Error> {
    optional(library, path, function)?.ok_or_else(|| match Functions::version_of(library) {
        Some(version) => lacks(path, version, &function),
        None => Error::NotADriver { library: path.into(), missing: text(function.symbol()) },
    })
}

/// Why a driver of this version lacks a function: it is older, or its version should have it.
pub(crate) fn lacks<F: FunctionPointer>(
    path: &Path,
    driver: CudaVersion,
    function: &Function<F>,
) -> Error {
    let (library, symbol) = (path.into(), text(function.symbol()));
    let introduced = function.introduced();
    match driver < introduced {
        true => Error::DriverTooOld { library, symbol, driver, introduced },
        false => Error::FunctionMissing { library, symbol, driver, introduced },
    }
}

fn text(symbol: &CStr) -> Box<str> {
    symbol.to_string_lossy().into()
}

driver_functions! {
    /// The functions of the safe layer.
    struct Functions {
        init: cuInit_v2000, PFN_cuInit_v2000, required;
        driver_get_version: cuDriverGetVersion_v2020, PFN_cuDriverGetVersion_v2020, required;
        device_get_count: cuDeviceGetCount_v2000, PFN_cuDeviceGetCount_v2000, required;
        device_get: cuDeviceGet_v2000, PFN_cuDeviceGet_v2000, required;
        device_get_name: cuDeviceGetName_v2000, PFN_cuDeviceGetName_v2000, required;
        device_get_attribute: cuDeviceGetAttribute_v2000, PFN_cuDeviceGetAttribute_v2000, required;
        device_total_mem: cuDeviceTotalMem_v3020, PFN_cuDeviceTotalMem_v3020, required;
        device_get_pci_bus_id: cuDeviceGetPCIBusId_v4010, PFN_cuDeviceGetPCIBusId_v4010, required;
        device_get_by_pci_bus_id: cuDeviceGetByPCIBusId_v4010, PFN_cuDeviceGetByPCIBusId_v4010, required;
        device_get_uuid: cuDeviceGetUuid_v9020, PFN_cuDeviceGetUuid_v9020, required;
        device_get_uuid_v2: cuDeviceGetUuid_v11040, PFN_cuDeviceGetUuid_v11040, optional;
        ctx_get_current: cuCtxGetCurrent_v4000, PFN_cuCtxGetCurrent_v4000, required;
        ctx_set_current: cuCtxSetCurrent_v4000, PFN_cuCtxSetCurrent_v4000, required;
        ctx_push_current: cuCtxPushCurrent_v4000, PFN_cuCtxPushCurrent_v4000, required;
        ctx_pop_current: cuCtxPopCurrent_v4000, PFN_cuCtxPopCurrent_v4000, required;
        ctx_get_device: cuCtxGetDevice_v2000, PFN_cuCtxGetDevice_v2000, required;
        ctx_get_api_version: cuCtxGetApiVersion_v3020, PFN_cuCtxGetApiVersion_v3020, required;
        retain: cuDevicePrimaryCtxRetain_v7000, PFN_cuDevicePrimaryCtxRetain_v7000, required;
        get_state: cuDevicePrimaryCtxGetState_v7000, PFN_cuDevicePrimaryCtxGetState_v7000, required;
        release: cuDevicePrimaryCtxRelease_v11000, PFN_cuDevicePrimaryCtxRelease_v11000, required;
        reset: cuDevicePrimaryCtxReset_v11000, PFN_cuDevicePrimaryCtxReset_v11000, required;
        set_flags: cuDevicePrimaryCtxSetFlags_v11000, PFN_cuDevicePrimaryCtxSetFlags_v11000, required;
        get_proc_address: cuGetProcAddress_v11030, PFN_cuGetProcAddress_v11030, optional;
        get_proc_address_v2: cuGetProcAddress_v12000, PFN_cuGetProcAddress_v12000, optional;
    }
}

#[cfg(target_os = "linux")]
driver_functions! {
    /// The functions that suspend and resume other processes. They need no `cuInit`.
    struct CheckpointFunctions {
        get_state: cuCheckpointProcessGetState_v12080, PFN_cuCheckpointProcessGetState_v12080, required;
        lock: cuCheckpointProcessLock_v12080, PFN_cuCheckpointProcessLock_v12080, required;
        checkpoint: cuCheckpointProcessCheckpoint_v12080, PFN_cuCheckpointProcessCheckpoint_v12080, required;
        restore: cuCheckpointProcessRestore_v12080, PFN_cuCheckpointProcessRestore_v12080, required;
        unlock: cuCheckpointProcessUnlock_v12080, PFN_cuCheckpointProcessUnlock_v12080, required;
    }
}

impl Functions {
    /// The CUDA version of a library that may lack functions; `None` if it is no driver.
    fn version_of(library: &Library) -> Option<CudaVersion> {
        library.symbol(sys::functions::cuInit_v2000.symbol())?;
        let function = sys::functions::cuDriverGetVersion_v2020;
        let address = library.symbol(function.symbol())?;
        // SAFETY: a library with cuInit is a CUDA driver, and this symbol in it is the function.
        let driver_get_version = unsafe { function.at(address) };
        let mut version = 0;
        // SAFETY: the out-parameter is an int of ours, and the call needs no cuInit.
        let code = unsafe { driver_get_version(&mut version) };
        code.is_success().then_some(CudaVersion::from_raw(version))
    }
}
