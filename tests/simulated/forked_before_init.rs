//! Children of processes that had not come so far with CUDA, or not by this crate: the library loaded
//! only, CUDA initialised by others, a `cuInit` that failed; and children that begin anew.

use crate::forked_child::is_forked;
use crate::support::processes::{in_each_child, in_own_process};
use crate::support::{load, machine};
use cuda_primary_context::{Error, PrimaryContext, PrimaryContextGuard, fork};
use simulated_libcuda::Simulator;

#[test]
fn child_of_a_parent_that_only_loaded_the_library_works() {
    in_own_process(|| {
        // Loads the library, as importing a Python package does, and calls nothing.
        let simulator = Simulator::builder().devices(2).visible_devices(None).start();
        assert!(!simulator.is_initialized());
        in_each_child(|| {
            let driver = load(simulator.path()).unwrap();
            let device = driver.device(1).unwrap();
            PrimaryContextGuard::retain_only(device).unwrap().release().unwrap();
            assert!(!fork::forked_after_init());
        });
    });
}

#[test]
fn parent_in_which_others_initialised_cuda_is_recognised_by_what_the_driver_returns() {
    in_own_process(|| {
        let simulator = Simulator::builder().devices(2).visible_devices(None).start();
        simulator.initialize();
        in_each_child(|| {
            let error = load(simulator.path()).unwrap_err();
            let by_others = matches!(error, Error::ForkedAfterInit { initialised_in: None, .. });
            assert!(by_others, "{error:?}");
            assert!(error.to_string().contains("spawn or exec"), "{error}");
        });
    });
}

#[test]
fn child_of_a_process_whose_cuinit_failed_does_not_call_it() {
    in_own_process(|| {
        let simulator = Simulator::builder().devices(2).visible_devices(Some("")).start();
        let load = || load(simulator.path());
        assert_eq!(load().unwrap_err().kind(), "no_device");
        let calls = simulator.total_calls();
        in_each_child(|| {
            is_forked(load());
            assert_eq!(simulator.total_calls(), calls);
            assert!(fork::forked_after_init());
        });
        assert_eq!(load().unwrap_err().kind(), "no_device", "in the parent it is tried anew");
        assert!(!fork::forked_after_init());
    });
}

#[test]
fn child_may_use_another_driver() {
    in_own_process(|| {
        let machine = machine(1);
        let other = Simulator::builder().devices(2).visible_devices(None).start();
        in_each_child(|| {
            is_forked(PrimaryContext::retain(machine.device(0)));
            let own = load(other.path()).unwrap();
            let guard = PrimaryContextGuard::retain_only(own.device(1).unwrap()).unwrap();
            assert_eq!(own.device(1).unwrap().handles(), Ok(1));
            guard.release().unwrap();
            // The parent's driver stays what it is.
            is_forked(load(machine.simulator.path()));
            assert!(fork::forked_after_init());
        });
    });
}
