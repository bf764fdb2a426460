//! What can go wrong before there is a driver: each its own error, with the fix in its text.

use std::path::Path;

use crate::support::processes::in_own_process;
use crate::support::{load, machine};
use cuda_primary_context::Error;
use simulated_libcuda::Simulator;

#[test]
fn ordinals_out_of_range_are_refused_without_a_call() {
    let machine = machine(2);
    for ordinal in [2, 3, i32::MAX as u32, i32::MAX as u32 + 1, u32::MAX] {
        let error = machine.driver.device(ordinal).unwrap_err();
        assert_eq!(error, Error::NoSuchDevice { ordinal, count: 2 });
        assert!(error.to_string().contains(&ordinal.to_string()), "{error}");
    }
}

/// `dlopen` would open the program itself for an empty path, which may well link to a driver.
#[test]
fn paths_that_lead_to_no_library_are_named() {
    for (path, reason) in [
        ("/no/such/libcuda.so.1", "No such file"),
        ("", "the path is empty"),
        ("lib\0cuda.so", "the name holds a NUL byte"),
    ] {
        let error = load(path).unwrap_err();
        let Error::LibraryNotFound { tried } = &error else { panic!("{error:?}") };
        assert_eq!((tried.len(), &*tried[0].library), (1, Path::new(path)));
        assert!(error.to_string().contains(reason), "{error}");
        for advice in ["install", "comes with NVIDIA's driver"] {
            assert!(!error.to_string().contains(advice), "the user named this file: {error}");
        }
    }
}

/// The driver reads `CUDA_VISIBLE_DEVICES` when it is initialised, and an error names the value of that
/// moment.
#[test]
fn second_load_in_another_environment() {
    in_own_process(|| {
        let set = |value: &str| {
            // SAFETY: this process has one thread.
            unsafe { std::env::set_var("CUDA_VISIBLE_DEVICES", value) }
        };
        for value in ["", "9"] {
            set(value);
            let simulator = Simulator::builder().devices(3).start();
            let Err(Error::NoDevice { visible_devices, .. }) = load(simulator.path()) else {
                panic!("{value:?} shows no device");
            };
            assert_eq!(visible_devices.as_deref(), Some(value));
        }
        set("2,1");
        let simulator = Simulator::builder().devices(3).start();
        let driver = load(simulator.path()).unwrap();
        let uuids = || driver.devices().map(|device| device.uuid().unwrap()).collect::<Vec<_>>();
        let before = uuids();
        set("0");
        assert_eq!(load(simulator.path()), Ok(driver));
        assert_eq!((driver.device_count(), uuids()), (2, before.clone()));
        // Another driver reads it anew.
        let other = Simulator::builder().devices(3).start();
        let other = load(other.path()).unwrap();
        assert_eq!(other.device_count(), 1);
        assert!(!before.contains(&other.device(0).unwrap().uuid().unwrap()));
    });
}
