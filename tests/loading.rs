//! What can go wrong before there is a driver: each its own error, with the fix in its text.

mod support;

use std::path::Path;

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Attempt, Error, PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::{Builder, Fault, Simulator};
use support::{Machine, load, machine, machine_from};

fn builder(devices: u32) -> Builder {
    Simulator::builder().devices(devices).visible_devices(None)
}

fn load_error(builder: Builder) -> Error {
    let simulator = builder.start();
    load(simulator.path()).expect_err("this library is not usable")
}

#[test]
fn driver_knows_its_devices_and_version() {
    let machine = machine_from(builder(3).driver_version(12020));
    assert_eq!(machine.driver.device_count(), 3);
    assert_eq!(machine.driver.version().raw(), 12020);
    let ordinals: Vec<u32> = machine.driver.devices().map(|device| device.ordinal()).collect();
    assert_eq!(ordinals, [0, 1, 2]);
    assert_eq!(machine.driver.path(), machine.simulator.path());
}

#[test]
fn devices_and_count_are_read_once() {
    let machine = machine(4);
    let calls = machine.calls_of(|| {
        for device in machine.driver.devices() {
            assert_eq!(device.as_raw(), machine.device(device.ordinal()).as_raw());
        }
    });
    assert!(calls.is_empty(), "{calls:?}");
}

#[test]
fn two_simulators_are_two_drivers() {
    let (one, other) = (machine(1), machine(1));
    assert_ne!(one.driver, other.driver);
    let context = PrimaryContext::retain(one.device(0)).unwrap();
    assert_eq!((one.references(), other.references()), (vec![1], vec![0]));
    drop(context);
}

#[test]
fn device_is_identified_without_a_context() {
    let machine = machine(2);
    let (zero, one) = (machine.device(0), machine.device(1));
    assert_ne!(zero.uuid().unwrap(), one.uuid().unwrap());
    assert_ne!(zero.pci_bus_id().unwrap(), one.pci_bus_id().unwrap());
    assert!(!zero.name().unwrap().is_empty());
    let major = cuda_primary_context::sys::CUdevice_attribute(75);
    assert!(zero.attribute(major).unwrap() > 0);
    assert_eq!(zero.compute_capability().unwrap().0, zero.attribute(major).unwrap());
    assert!(zero.total_memory().unwrap() > u64::from(u32::MAX), "of an H200");
    let error = zero.attribute(cuda_primary_context::sys::CUdevice_attribute(100_000)).unwrap_err();
    assert_eq!(error.code(), Some(CUresult::CUDA_ERROR_INVALID_VALUE));
    assert_eq!(machine.references(), [0, 0]);
}

#[test]
fn uuid_is_asked_for_once_and_of_the_older_function_where_there_is_no_newer() {
    let count = |machine: &Machine| {
        ["cuDeviceGetUuid", "cuDeviceGetUuid_v2", "cuDeviceGetPCIBusId"]
            .map(|function| machine.simulator.count(function))
    };
    let new = machine(1);
    assert_eq!(count(&new), [1, 1, 1], "asked when the driver is loaded");
    let calls = new.calls_of(|| {
        assert_eq!(new.device(0).uuid(), new.device(0).uuid());
        new.device(0).pci_bus_id().unwrap();
    });
    assert!(calls.is_empty(), "{calls:?}");
    let old = machine_from(builder(1).without(&["cuDeviceGetUuid_v2"]));
    assert_eq!(count(&old), [1, 0, 1]);
}

#[test]
fn ordinals_out_of_range_are_refused_without_a_call() {
    let machine = machine(2);
    for ordinal in [2, 3, i32::MAX as u32, i32::MAX as u32 + 1, u32::MAX] {
        let error = machine.driver.device(ordinal).unwrap_err();
        assert_eq!(error, Error::NoSuchDevice { ordinal, count: 2 });
        assert!(error.to_string().contains(&ordinal.to_string()), "{error}");
    }
}

#[test]
fn missing_library_names_what_was_tried() {
    let error = load("/no/such/libcuda.so.1").unwrap_err();
    let Error::LibraryNotFound { tried } = &error else { panic!("{error:?}") };
    assert_eq!(tried.len(), 1);
    assert_eq!(tried[0].library, Path::new("/no/such/libcuda.so.1"));
    assert!(error.to_string().contains("No such file"), "{error}");
    assert!(!error.to_string().contains("install"), "the user named this file: {error}");
}

#[test]
fn file_that_is_no_library_is_named_with_the_loaders_reason() {
    let error = load(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), "library_not_found");
    assert!(error.to_string().contains("Cargo.toml"), "{error}");
}

/// `dlopen` would open the program itself, which may well link to a driver.
#[test]
fn empty_path_is_refused() {
    for path in [Path::new(""), &std::path::PathBuf::new()] {
        let error = load(path).unwrap_err();
        let Error::LibraryNotFound { tried } = &error else { panic!("{error:?}") };
        assert_eq!(tried, &[Attempt::new("", "the path is empty")]);
        assert!(error.to_string().contains("the path is empty"), "{error}");
    }
}

#[test]
fn name_with_a_nul_byte_is_refused() {
    let error = load("lib\0cuda.so").unwrap_err();
    assert!(error.to_string().contains("NUL"), "{error}");
}

#[test]
fn library_that_is_no_driver_is_not_taken_for_one() {
    let error = load("libc.so.6").unwrap_err();
    let Error::NotADriver { library, missing, .. } = &error else { panic!("{error:?}") };
    assert_eq!((&**library, &**missing), (Path::new("libc.so.6"), "cuInit"));
}

#[test]
fn driver_too_old_names_the_function_and_both_versions() {
    let old = builder(1).driver_version(10010).without(&["cuDevicePrimaryCtxRelease_v2"]);
    let error = load_error(old);
    let Error::DriverTooOld { symbol, driver, introduced, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (&**symbol, driver.raw(), introduced.raw()),
        ("cuDevicePrimaryCtxRelease_v2", 10010, 11000)
    );
    let text = error.to_string();
    assert!(text.contains("10.1") && text.contains("11.0"), "{text}");
}

#[test]
fn function_that_the_version_should_have_is_another_error() {
    let error = load_error(builder(1).without(&["cuCtxGetCurrent"]));
    let Error::FunctionMissing { symbol, .. } = &error else { panic!("{error:?}") };
    assert_eq!(&**symbol, "cuCtxGetCurrent");
    // The very version that introduced it should have it, too.
    let symbol = "cuDevicePrimaryCtxRelease_v2";
    let error = load_error(builder(1).driver_version(11000).without(&[symbol]));
    assert_eq!(error.kind(), "function_missing", "{error}");
}

#[test]
fn stub_is_told_from_a_driver() {
    let error = load_error(builder(1).stub());
    assert_eq!(error.kind(), "stub_library");
    assert_eq!(error.code(), Some(CUresult::CUDA_ERROR_STUB_LIBRARY));
    assert!(error.to_string().contains("LD_LIBRARY_PATH"), "{error}");
}

#[test]
fn no_device_says_what_may_hide_them() {
    let error = load_error(builder(0));
    assert_eq!(error.kind(), "no_device");
    let error = load_error(builder(2).visible_devices(Some("")));
    assert_eq!((error.kind(), error.call()), ("no_device", Some("cuInit")));
    assert!(error.to_string().contains("CUDA_VISIBLE_DEVICES"), "{error}");
}

#[test]
fn visible_devices_renumber() {
    let all = machine(3);
    let some = machine_from(builder(3).visible_devices(Some("2,0")));
    assert_eq!(some.driver.device_count(), 2);
    assert_eq!(some.device(0).uuid(), all.device(2).uuid());
    assert_eq!(some.device(1).uuid(), all.device(0).uuid());
}

#[test]
fn failed_load_is_not_remembered() {
    let simulator = builder(2).start();
    for call in ["cuInit", "cuDriverGetVersion", "cuDeviceGetCount", "cuDeviceGet"] {
        simulator.inject(Fault::of(call, 1).code(999).refused().once());
        let error = load(simulator.path()).unwrap_err();
        assert_eq!((error.call(), error.code()), (Some(call), Some(CUresult::CUDA_ERROR_UNKNOWN)));
    }
    assert!(load(simulator.path()).is_ok());
}

#[test]
fn codes_nobody_knows_keep_their_number() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    machine.simulator.inject(Fault::at_call(1).code(777_777).refused().from_then_on());
    let error = PrimaryContextGuard::retain_only(machine.device(1)).unwrap_err();
    assert_eq!(error.code(), Some(CUresult(777_777)));
    assert!(error.to_string().contains("777777"), "{error}");
    for (_, state) in machine.driver.primary_contexts() {
        assert_eq!(state.unwrap_err().code(), Some(CUresult(777_777)));
    }
}
