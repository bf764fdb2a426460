//! Drivers that return what the simulated one never does.

use std::ffi::{CStr, c_int};
use std::path::PathBuf;

use cuda_primary_context::{Driver, Error, Outcome, Planned, PrimaryContext, StrayRelease};
use simulated_libcuda::Simulator;

use crate::support::libraries::{build, symbol};
use crate::support::processes::{in_process_of, test_of};
use crate::support::{load, skips};

/// A simulator behind the library of irregular.c.
struct Irregular {
    simulator: Simulator,
    library: PathBuf,
}

impl Irregular {
    /// Runs the test with one, in a process of its own: libraries of one name are one to the loader.
    fn run<F: FnOnce(Self)>(body: F) {
        let test = test_of(&body);
        let Some(compiler) = skips::compiler(test) else { return };
        in_process_of(test, || {
            let simulator = Simulator::builder().devices(16).visible_devices(None).start();
            let library = simulator.path().with_file_name("irregular.so");
            build(&compiler, "simulated/irregular.c", &library, [simulator.path().as_os_str()]);
            body(Self { simulator, library });
        });
    }

    fn set(&self, variable: &CStr, value: c_int) {
        // SAFETY: the library is loaded, and its variables are of this type.
        let pointer: *mut c_int = unsafe { symbol(&self.library, variable) };
        // SAFETY: one thread uses the library here.
        unsafe { *pointer = value };
    }

    fn load(&self) -> Result<Driver, Error> {
        load(&self.library)
    }
}

#[test]
fn context_is_active_with_any_number_but_zero() {
    Irregular::run(|irregular| {
        let driver = irregular.load().unwrap();
        let device = driver.device(1).unwrap();
        for number in [1, 2, -1, 256, c_int::MIN] {
            irregular.set(c"active_value", number);
            irregular.simulator.retain_by_others(1, 2);
            assert!(device.primary_context_state().unwrap().active, "{number}");
            let found = PrimaryContext::retain_if_active(device).unwrap();
            found.expect("it is active").release().unwrap();
            let policy = StrayRelease::new();
            let plan = policy.plan_run(driver).unwrap();
            let planned: Vec<&Planned> = plan.devices().map(|(_, planned)| planned).collect();
            assert_eq!(planned[..2], [&Planned::AlreadyInactive, &Planned::Release { at_most: 1 }]);
            for expected in
                [Outcome::StillActive { releases: 1 }, Outcome::Released { releases: 1 }]
            {
                let report = policy.run(driver).unwrap();
                assert_eq!(*report.devices().nth(1).unwrap().outcome(), expected, "{number}");
            }
        }
    });
}

#[test]
fn a_driver_that_counts_no_devices_has_none() {
    Irregular::run(|irregular| {
        for count in [0, -1, c_int::MIN] {
            irregular.set(c"device_count", count);
            let error = irregular.load().unwrap_err();
            assert_eq!(error.kind(), "no_device", "{count}: {error}");
        }
        irregular.set(c"device_count", 3);
        assert_eq!(irregular.load().unwrap().device_count(), 3, "as many as it counts");
    });
}

#[test]
fn ids_that_differ_in_one_byte_are_of_a_mig_instance() {
    Irregular::run(|irregular| {
        irregular.set(c"first_byte", 0);
        for device in irregular.load().unwrap().devices() {
            let uuid = device.uuid().unwrap();
            assert!(uuid.is_mig(), "{uuid}");
            let of_the_gpu = irregular.simulator.machine_uuid(device.ordinal());
            let differ = |index: &usize| uuid.as_bytes()[*index] != of_the_gpu[*index];
            let different: Vec<usize> = (0..16).filter(differ).collect();
            assert_eq!(different, [device.ordinal() as usize]);
            assert_eq!(device.driver().device_by_uuid(uuid), Ok(device));
        }
    });
}
