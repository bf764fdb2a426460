//! The feature `linked`: functions called by name, of a library that the dynamic loader found.
//!
//! `.ci/clients` runs this with the simulator as the library, at link time and at run time.

use std::ptr;

use cuda_primary_context::sys::{self, CUresult, functions};
use cuda_primary_context::{Driver, Outcome, PrimaryContextGuard};

/// The linked functions have the types by which functions are looked up.
const TYPES: (
    sys::PFN_cuInit_v2000,
    sys::PFN_cuDevicePrimaryCtxRelease_v11000,
    sys::PFN_cuMemAlloc_v3020,
    sys::PFN_cuGetProcAddress_v12000,
) = (
    Some(sys::cuInit),
    Some(sys::cuDevicePrimaryCtxRelease_v2),
    Some(sys::cuMemAlloc_v2),
    Some(sys::cuGetProcAddress_v2),
);

/// A reference that a linked call retains is one that the safe layer releases.
#[test]
fn linked_driver_is_the_one_that_is_loaded() {
    let (initialise, _, allocate, _) = TYPES;
    // SAFETY: the flags must be 0.
    let code = unsafe { initialise.unwrap()(0) };
    assert_eq!(code, CUresult::CUDA_SUCCESS);
    let (mut count, mut device, mut context) = (0, 0, ptr::null_mut());
    // SAFETY: the out-parameter is an int of ours.
    let code = unsafe { sys::cuDeviceGetCount(&mut count) };
    assert_eq!(code, CUresult::CUDA_SUCCESS);
    // SAFETY: the out-parameter is a device handle of ours.
    let code = unsafe { sys::cuDeviceGet(&mut device, 0) };
    assert_eq!(code, CUresult::CUDA_SUCCESS);
    // SAFETY: the out-parameter is a handle of ours; the driver gave the device.
    let code = unsafe { sys::cuDevicePrimaryCtxRetain(&mut context, device) };
    assert_eq!(code, CUresult::CUDA_SUCCESS);

    let driver = Driver::load().expect("the linked library is found again");
    assert_eq!(driver.device_count(), count as u32);
    let loaded = driver.function(functions::cuMemAlloc_v3020).unwrap();
    assert!(ptr::fn_addr_eq(loaded, allocate.unwrap()));
    let guard = PrimaryContextGuard::retain_only(driver.device(1).unwrap()).unwrap();
    let line = guard.report().devices().next().unwrap();
    assert_eq!(line.outcome(), &Outcome::Released { releases: 1 });
    // SAFETY: takes a device; there is no reference left, and that is refused.
    let code = unsafe { sys::cuDevicePrimaryCtxRelease_v2(device) };
    assert_eq!(code, CUresult::CUDA_ERROR_INVALID_CONTEXT);
}
