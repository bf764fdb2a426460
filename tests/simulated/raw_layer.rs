//! Functions that the safe layer does not use, called through the loaded driver; and the whole job
//! on drivers of other CUDA versions than the header.

use std::ffi::c_void;

use crate::support::driver_library::Library;
use crate::support::{Machine, machine_from};
use cuda_primary_context::sys::{self, functions};
use cuda_primary_context::{Error, Function, FunctionPointer, PrimaryContextGuard};
use simulated_libcuda::Simulator;

fn driver_of(version: u32) -> Machine {
    let builder = Simulator::builder().devices(4).visible_devices(None).driver_version(version);
    machine_from(builder.without(&["cuMemcpy", "cuMemcpy_ptds"]))
}

fn address<F: Copy>(function: F) -> *const c_void {
    assert_eq!(size_of::<F>(), size_of::<*const c_void>());
    // SAFETY: a function pointer is an address, and the sizes are equal.
    unsafe { std::mem::transmute_copy(&function) }
}

/// A function of this constant is what the library exports under the constant's symbol, where the
/// driver's version has it, and else a typed error.
fn check<F: FunctionPointer>(machine: &Machine, function: Function<F>, found: &mut [u32; 3]) {
    let driver = machine.driver;
    let by_symbol = Library::open(driver.path()).function(function);
    let is_too_new = driver.version() < function.introduced();
    let name = function.symbol().to_str().unwrap();
    match &driver.function(function) {
        Ok(pointer) => {
            assert_eq!(Some(address(*pointer)), by_symbol.map(address), "{name}");
            assert!(!is_too_new, "{name}");
            found[0] += 1;
        }
        Err(
            error @ (Error::DriverTooOld { symbol, introduced, driver: version, .. }
            | Error::FunctionMissing { symbol, introduced, driver: version, .. }),
        ) => {
            assert_eq!((&**symbol, *introduced), (name, function.introduced()));
            assert_eq!(*version, driver.version());
            assert_eq!(error.kind() == "driver_too_old", is_too_new, "{name}");
            assert!(is_too_new || by_symbol.is_none(), "{name}");
            found[if is_too_new { 1 } else { 2 }] += 1;
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

/// Looks up functions of every age: those found, too new for the driver, and missing from it.
fn look_up(machine: &Machine) -> [u32; 3] {
    let mut found = [0; 3];
    macro_rules! check {
        ($($function:ident,)*) => {
            $(check(machine, functions::$function, &mut found);)*
        };
    }
    check! {
        cuInit_v2000, cuGetProcAddress_v11030, cuDeviceGetUuid_v9020, cuDeviceGetUuid_v11040,
        cuDevicePrimaryCtxRelease_v11000, cuCtxGetId_v12000, cuMemAlloc_v3020, cuStreamGetDevice_v12080,
        // Of the stream that each thread has of its own.
        cuStreamQuery_v7000_ptsz, cuMemcpyHtoD_v7000_ptds,
        // Left out:
        cuMemcpy_v4000, cuMemcpy_v7000_ptds,
    }
    found
}

#[test]
fn functions_of_every_age_are_found_or_typed_errors() {
    for (version, expected) in [
        (11_020, [6, 4, 2]),
        (11_040, [8, 2, 2]),
        (12_020, [9, 1, 2]),
        (12_080, [10, 0, 2]),
        (99_000, [10, 0, 2]),
    ] {
        let found = look_up(&driver_of(version));
        assert_eq!(found, expected, "CUDA {version}: found, too new, missing");
    }
}

#[test]
fn look_up_is_made_at_every_call_and_in_the_drivers_own_way() {
    for (version, way) in
        [(13_000, &["cuGetProcAddress_v2"][..]), (11_040, &["cuGetProcAddress"]), (11_020, &[])]
    {
        let machine = driver_of(version);
        let calls = machine.calls_of(|| {
            let first = machine.driver.function(functions::cuMemGetInfo_v3020).unwrap();
            let again = machine.driver.function(functions::cuMemGetInfo_v3020).unwrap();
            assert_eq!(address(first), address(again));
        });
        assert_eq!(calls, [way, way].concat(), "CUDA {version}");
    }
}

#[test]
fn whole_job_runs_on_older_and_newer_drivers() {
    let newer_than_the_header = sys::CUDA_VERSION + 1_000;
    for version in [11_000, 11_040, 12_020, 12_080, 13_000, newer_than_the_header] {
        let machine = driver_of(version);
        assert_eq!(machine.driver.version().raw(), version as i32);
        assert!(machine.driver.devices().all(|device| device.uuid().is_ok()));
        machine.stray(&[1, 0, 2, 0]);
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        guard.report().check().unwrap();
        assert_eq!(machine.references(), [0, 1, 1, 0]);
        guard.release().unwrap();
    }
}
