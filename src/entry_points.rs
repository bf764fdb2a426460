//! The driver functions that the safe layer calls, looked up once when a driver is loaded.
//!
//! Each is asked for by its exact, versioned symbol: `cuDevicePrimaryCtxRelease` without `_v2` is
//! another function, that of the ABI before CUDA 11.0. Signatures are the header's `PFN_` types.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use crate::library::Library;
use crate::sys;

/// A function type without the `Option` that C's nullable function pointers come in.
pub(crate) trait Nullable {
    type Function: Copy;
}

impl<F: Copy> Nullable for Option<F> {
    type Function = F;
}

/// A function that the library lacks.
pub(crate) struct Missing {
    pub(crate) symbol: &'static str,
    /// The CUDA version that introduced it: 1000 × major + 10 × minor.
    pub(crate) introduced: i32,
}

macro_rules! entry_points {
    (
        required { $($field:ident = $symbol:literal, $type:ident, $introduced:literal;)* }
        optional { $($late_field:ident = $late_symbol:literal, $late_type:ident;)* }
    ) => {
        /// The functions by their place in this crate.
        #[derive(Clone, Copy)]
        pub(crate) struct EntryPoints {
            $(pub(crate) $field: <sys::$type as Nullable>::Function,)*
            $(pub(crate) $late_field: sys::$late_type,)*
        }

        impl EntryPoints {
            /// Looks every function up, in the order of the list.
            pub(crate) fn resolve(library: Library) -> Result<Self, Missing> {
                Ok(Self {
                    $($field: {
                        let address = library.symbol(c_name(concat!($symbol, "\0"))).ok_or(Missing {
                            symbol: $symbol,
                            introduced: $introduced,
                        })?;
                        // SAFETY: the symbol of this exact, versioned name in a CUDA driver is a
                        // function of the type that the header declares for it.
                        unsafe { function(address) }
                    },)*
                    $($late_field: library.symbol(c_name(concat!($late_symbol, "\0"))).map(|address| {
                        // SAFETY: as above.
                        unsafe { function(address) }
                    }),)*
                })
            }
        }
    };
}

entry_points! {
    required {
        init = "cuInit", PFN_cuInit_v2000, 2000;
        driver_get_version = "cuDriverGetVersion", PFN_cuDriverGetVersion_v2020, 2020;
        device_get_count = "cuDeviceGetCount", PFN_cuDeviceGetCount_v2000, 2000;
        device_get = "cuDeviceGet", PFN_cuDeviceGet_v2000, 2000;
        device_get_name = "cuDeviceGetName", PFN_cuDeviceGetName_v2000, 2000;
        device_get_attribute = "cuDeviceGetAttribute", PFN_cuDeviceGetAttribute_v2000, 2000;
        device_get_pci_bus_id = "cuDeviceGetPCIBusId", PFN_cuDeviceGetPCIBusId_v4010, 4010;
        device_get_uuid = "cuDeviceGetUuid", PFN_cuDeviceGetUuid_v9020, 9020;
        ctx_get_current = "cuCtxGetCurrent", PFN_cuCtxGetCurrent_v4000, 4000;
        ctx_set_current = "cuCtxSetCurrent", PFN_cuCtxSetCurrent_v4000, 4000;
        ctx_push_current = "cuCtxPushCurrent_v2", PFN_cuCtxPushCurrent_v4000, 4000;
        ctx_pop_current = "cuCtxPopCurrent_v2", PFN_cuCtxPopCurrent_v4000, 4000;
        ctx_get_device = "cuCtxGetDevice", PFN_cuCtxGetDevice_v2000, 2000;
        primary_ctx_retain = "cuDevicePrimaryCtxRetain", PFN_cuDevicePrimaryCtxRetain_v7000, 7000;
        primary_ctx_get_state = "cuDevicePrimaryCtxGetState", PFN_cuDevicePrimaryCtxGetState_v7000, 7000;
        primary_ctx_release = "cuDevicePrimaryCtxRelease_v2", PFN_cuDevicePrimaryCtxRelease_v11000, 11000;
        primary_ctx_reset = "cuDevicePrimaryCtxReset_v2", PFN_cuDevicePrimaryCtxReset_v11000, 11000;
        primary_ctx_set_flags = "cuDevicePrimaryCtxSetFlags_v2", PFN_cuDevicePrimaryCtxSetFlags_v11000, 11000;
    }
    optional {
        device_get_uuid_v2 = "cuDeviceGetUuid_v2", PFN_cuDeviceGetUuid_v11040;
    }
}

impl EntryPoints {
    /// The CUDA version of a library that may lack functions; `None` where it is no driver.
    pub(crate) fn version_of(library: Library) -> Option<i32> {
        library.symbol(c"cuInit")?;
        let address = library.symbol(c"cuDriverGetVersion")?;
        // SAFETY: a library with cuInit is a CUDA driver, and its cuDriverGetVersion is of the type
        // that the header declares for it.
        let driver_get_version: <sys::PFN_cuDriverGetVersion_v2020 as Nullable>::Function =
            unsafe { function(address) };
        let mut version = 0;
        // SAFETY: the out-parameter is an int of ours, and the call needs no cuInit.
        let code = unsafe { driver_get_version(&mut version) };
        code.is_success().then_some(version)
    }
}

/// A literal that ends in NUL, as a C string.
const fn c_name(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("a symbol's name ends with its one NUL"),
    }
}

/// Turns a symbol's address into a function pointer.
///
/// # Safety
/// There must be a function of type `F` at the address.
pub(crate) unsafe fn function<F: Copy>(address: NonNull<c_void>) -> F {
    const {
        assert!(size_of::<F>() == size_of::<*mut c_void>(), "F is a function pointer");
    }
    // SAFETY: of one size by the assertion above; that it is a function of this type is the
    // caller's promise.
    unsafe { std::mem::transmute_copy(&address) }
}
