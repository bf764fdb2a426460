//! The driver functions that the safe layer calls, looked up once when a driver is loaded.
//!
//! Each is asked for by its exact, versioned symbol: `cuDevicePrimaryCtxRelease` without `_v2` is
//! another function, that of the ABI before CUDA 11.0. Symbols and signatures are the header's, by
//! way of [`sys::functions`](crate::sys::functions).

use std::ffi::CStr;

use crate::driver::library::Library;
use crate::driver::version::CudaVersion;
use crate::sys;
use crate::sys::function::FunctionPointer;

/// A function that the library lacks.
pub(crate) struct Missing {
    pub(crate) symbol: &'static CStr,
    /// The CUDA version that introduced it.
    pub(crate) introduced: CudaVersion,
}

macro_rules! entry_points {
    (
        $(#[$attribute:meta])*
        struct $name:ident
        required { $($field:ident: $type:ident = $function:ident;)* }
        optional { $($late_field:ident: $late_type:ident = $late_function:ident;)* }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name {
            $(pub(crate) $field: <sys::$type as FunctionPointer>::Function,)*
            $(pub(crate) $late_field: sys::$late_type,)*
        }

        impl $name {
            /// Looks every function up, in the order of the list.
            pub(crate) fn resolve(library: &Library) -> Result<Self, Missing> {
                Ok(Self {
                    $($field: {
                        let function = sys::functions::$function;
                        let (symbol, introduced) = (function.symbol(), function.introduced());
                        let address = library.symbol(symbol).ok_or(Missing { symbol, introduced })?;
                        // SAFETY: the symbol of this exact, versioned name in a CUDA driver is the
                        // function.
                        unsafe { function.at(address) }
                    },)*
                    $($late_field: {
                        let function = sys::functions::$late_function;
                        library.symbol(function.symbol()).map(|address| {
                            // SAFETY: as above.
                            unsafe { function.at(address) }
                        })
                    },)*
                })
            }
        }
    };
}

entry_points! {
    /// The functions of the safe layer by their place in this crate.
    struct EntryPoints
    required {
        init: PFN_cuInit_v2000 = cuInit_v2000;
        driver_get_version: PFN_cuDriverGetVersion_v2020 = cuDriverGetVersion_v2020;
        device_get_count: PFN_cuDeviceGetCount_v2000 = cuDeviceGetCount_v2000;
        device_get: PFN_cuDeviceGet_v2000 = cuDeviceGet_v2000;
        device_get_name: PFN_cuDeviceGetName_v2000 = cuDeviceGetName_v2000;
        device_total_mem: PFN_cuDeviceTotalMem_v3020 = cuDeviceTotalMem_v3020;
        device_get_attribute: PFN_cuDeviceGetAttribute_v2000 = cuDeviceGetAttribute_v2000;
        device_get_pci_bus_id: PFN_cuDeviceGetPCIBusId_v4010 = cuDeviceGetPCIBusId_v4010;
        device_get_by_pci_bus_id: PFN_cuDeviceGetByPCIBusId_v4010 = cuDeviceGetByPCIBusId_v4010;
        device_get_uuid: PFN_cuDeviceGetUuid_v9020 = cuDeviceGetUuid_v9020;
        ctx_get_current: PFN_cuCtxGetCurrent_v4000 = cuCtxGetCurrent_v4000;
        ctx_set_current: PFN_cuCtxSetCurrent_v4000 = cuCtxSetCurrent_v4000;
        ctx_push_current: PFN_cuCtxPushCurrent_v4000 = cuCtxPushCurrent_v4000;
        ctx_pop_current: PFN_cuCtxPopCurrent_v4000 = cuCtxPopCurrent_v4000;
        ctx_get_device: PFN_cuCtxGetDevice_v2000 = cuCtxGetDevice_v2000;
        ctx_get_api_version: PFN_cuCtxGetApiVersion_v3020 = cuCtxGetApiVersion_v3020;
        primary_ctx_retain: PFN_cuDevicePrimaryCtxRetain_v7000 = cuDevicePrimaryCtxRetain_v7000;
        primary_ctx_get_state: PFN_cuDevicePrimaryCtxGetState_v7000 = cuDevicePrimaryCtxGetState_v7000;
        primary_ctx_release: PFN_cuDevicePrimaryCtxRelease_v11000 = cuDevicePrimaryCtxRelease_v11000;
        primary_ctx_reset: PFN_cuDevicePrimaryCtxReset_v11000 = cuDevicePrimaryCtxReset_v11000;
        primary_ctx_set_flags: PFN_cuDevicePrimaryCtxSetFlags_v11000 = cuDevicePrimaryCtxSetFlags_v11000;
    }
    optional {
        device_get_uuid_v2: PFN_cuDeviceGetUuid_v11040 = cuDeviceGetUuid_v11040;
        get_proc_address: PFN_cuGetProcAddress_v11030 = cuGetProcAddress_v11030;
        get_proc_address_v2: PFN_cuGetProcAddress_v12000 = cuGetProcAddress_v12000;
    }
}

#[cfg(target_os = "linux")]
entry_points! {
    /// The functions that suspend and resume other processes. They need no `cuInit`.
    struct CheckpointFunctions
    required {
        get_state: PFN_cuCheckpointProcessGetState_v12080 = cuCheckpointProcessGetState_v12080;
        lock: PFN_cuCheckpointProcessLock_v12080 = cuCheckpointProcessLock_v12080;
        checkpoint: PFN_cuCheckpointProcessCheckpoint_v12080 = cuCheckpointProcessCheckpoint_v12080;
        restore: PFN_cuCheckpointProcessRestore_v12080 = cuCheckpointProcessRestore_v12080;
        unlock: PFN_cuCheckpointProcessUnlock_v12080 = cuCheckpointProcessUnlock_v12080;
    }
    optional {}
}

impl EntryPoints {
    /// By what a driver is known: the address of its release function. A driver that is loaded by two
    /// paths, or through a library that merely links to it, is one driver.
    pub(crate) fn identity(&self) -> usize {
        self.primary_ctx_release as usize
    }

    /// The identity of the driver that a library is or links to, if it is one.
    pub(crate) fn identity_of(library: &Library) -> Option<usize> {
        let release = sys::functions::cuDevicePrimaryCtxRelease_v11000.symbol();
        library.symbol(release).map(|address| address.as_ptr() as usize)
    }

    /// The CUDA version of a library that may lack functions; `None` where it is no driver.
    pub(crate) fn version_of(library: &Library) -> Option<CudaVersion> {
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
