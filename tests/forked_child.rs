//! What a child sees that was forked before or after CUDA was initialised, by `fork` and by a bare
//! `clone`.

mod support;

use std::process::Command;

use cuda_primary_context::sys::CUctx_flags;
use cuda_primary_context::{
    Driver, Error, PrimaryContext, PrimaryContextGuard, StaleRelease, fork,
};
use simulated_libcuda::{Knob, Simulator};
use support::machine;
use support::processes::{BIRTHS, Birth, in_child, in_own_process};

/// That an answer is `ForkedAfterInit`, made by this parent.
fn is_forked<T: std::fmt::Debug>(answer: Result<T, Error>, parent: u32) {
    match answer {
        Err(Error::ForkedAfterInit { initialised_in: Some(process) }) if process == parent => {}
        other => panic!("in a forked child: {other:?}"),
    }
}

#[test]
fn child_forked_before_load_works() {
    in_own_process("child_forked_before_load_works", || {
        for birth in BIRTHS {
            let simulator = Simulator::start(2);
            let status = in_child(birth, || {
                let driver = Driver::load_from(simulator.path()).unwrap();
                let device = driver.device(1).unwrap();
                PrimaryContextGuard::retain_only(device).unwrap().release().unwrap();
                i32::from(fork::forked_after_init())
            });
            assert!(status.success(), "{birth:?}: {status}");
        }
    });
}

#[test]
fn every_operation_in_a_child_is_refused_without_a_call() {
    in_own_process("every_operation_in_a_child_is_refused_without_a_call", || {
        let machine = machine(3);
        let parent = std::process::id();
        let context = PrimaryContext::retain(machine.device(0)).unwrap();
        let _guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        machine.simulator.record_calls(true);
        for birth in BIRTHS {
            let context = &context;
            let status = in_child(birth, || {
                let device = machine.device(2);
                is_forked(Driver::load_from(machine.simulator.path()), parent);
                is_forked(PrimaryContext::retain(device), parent);
                is_forked(PrimaryContext::retain_if_active(device), parent);
                is_forked(PrimaryContextGuard::retain_only(device), parent);
                is_forked(StaleRelease::new().plan(device), parent);
                is_forked(context.make_current(), parent);
                is_forked(device.primary_context_state(), parent);
                is_forked(device.set_primary_context_flags(CUctx_flags(0)), parent);
                is_forked(device.name(), parent);
                is_forked(device.uuid(), parent);
                is_forked(device.pci_bus_id(), parent);
                is_forked(
                    device.attribute(cuda_primary_context::sys::CUdevice_attribute(1)),
                    parent,
                );
                is_forked(device.handles(), parent);
                // SAFETY: refused before it does anything.
                is_forked(unsafe { device.reset_primary_context() }, parent);
                // SAFETY: refused before it does anything.
                is_forked(unsafe { PrimaryContext::adopt(device, context.as_raw()) }, parent);
                for (_, state) in machine.driver.primary_contexts() {
                    is_forked(state, parent);
                }
                assert!(fork::forked_after_init());
                assert_eq!(machine.simulator.total_calls(), calls_so_far(&machine.simulator));
                0
            });
            assert!(status.success(), "{birth:?}: {status}");
        }
        assert!(!fork::forked_after_init(), "the parent was not forked");
        assert_eq!(machine.references(), [1, 1, 0]);
    });
}

/// The calls in the log, which the child has a copy of.
fn calls_so_far(simulator: &Simulator) -> u64 {
    simulator.total_calls()
}

#[test]
fn inherited_handles_are_dropped_without_a_call() {
    in_own_process("inherited_handles_are_dropped_without_a_call", || {
        // A driver on which the child's calls would work, so that a call would show.
        let machine = machine(3);
        machine.simulator.set_knob(Knob::ChildAfterInit, 0);
        let parent = std::process::id();
        for birth in BIRTHS {
            let context = PrimaryContext::retain(machine.device(0)).unwrap();
            let released = PrimaryContext::retain(machine.device(0)).unwrap();
            let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
            let before = machine.simulator.total_calls();
            let status = in_child(birth, || {
                let (error, released) = released.release().unwrap_err();
                is_forked::<()>(Err(error), parent);
                drop((context, released, guard));
                i32::from(machine.simulator.total_calls() != before)
            });
            assert!(status.success(), "{birth:?}: {status}");
        }
    });
}

#[test]
fn grandchild_is_refused_too() {
    in_own_process("grandchild_is_refused_too", || {
        let machine = machine(2);
        let parent = std::process::id();
        for birth in BIRTHS {
            let status = in_child(birth, || {
                let grandchild = in_child(birth, || {
                    is_forked(PrimaryContext::retain(machine.device(0)), parent);
                    0
                });
                i32::from(!grandchild.success())
            });
            assert!(status.success(), "{birth:?}: {status}");
        }
    });
}

#[test]
fn cuda_initialised_by_others_in_the_parent_is_told_by_the_drivers_answer() {
    in_own_process(
        "cuda_initialised_by_others_in_the_parent_is_told_by_the_drivers_answer",
        || {
            let simulator = Simulator::start(2);
            simulator.initialize();
            for birth in BIRTHS {
                let status = in_child(birth, || {
                    let error = Driver::load_from(simulator.path()).unwrap_err();
                    assert_eq!(error, Error::ForkedAfterInit { initialised_in: None });
                    assert!(error.to_string().contains("spawn or exec"), "{error}");
                    0
                });
                assert!(status.success(), "{birth:?}: {status}");
            }
        },
    );
}

#[test]
fn child_does_not_wait_for_a_lock_that_nobody_will_give_back() {
    in_own_process("child_does_not_wait_for_a_lock_that_nobody_will_give_back", || {
        let machine = machine(2);
        let parent = std::process::id();
        // A retain that takes a second, under the driver's lock.
        machine.simulator.set_knob(Knob::RetainMicroseconds, 1_000_000);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(PrimaryContext::retain(machine.device(0)).unwrap()));
            std::thread::sleep(std::time::Duration::from_millis(300));
            let status = in_child(Birth::Fork, || {
                is_forked(PrimaryContext::retain(machine.device(1)), parent);
                is_forked(PrimaryContextGuard::retain_only(machine.device(1)), parent);
                0
            });
            assert!(status.success(), "{status}");
        });
    });
}

#[test]
fn child_may_exec() {
    in_own_process("child_may_exec", || {
        let machine = machine(2);
        let _context = PrimaryContext::retain(machine.device(0)).unwrap();
        assert!(Command::new("true").status().unwrap().success());
        assert_eq!(machine.references(), [1, 0]);
    });
}

#[test]
fn inherited_device_files_are_listed() {
    in_own_process("inherited_device_files_are_listed", || {
        let folder = std::env::temp_dir().join(format!("nvidia-files-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let simulator = Simulator::builder().devices(2).device_files(&folder).start();
        let driver = Driver::load_from(simulator.path()).unwrap();
        let _context = PrimaryContext::retain(driver.device(1).unwrap()).unwrap();
        let status = in_child(Birth::Fork, || {
            let inherited = fork::open_files(&folder).unwrap();
            assert!(!inherited.is_empty());
            assert!(inherited.iter().all(|file| file.path.starts_with(&folder)));
            0
        });
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(status.success(), "{status}");
    });
}
