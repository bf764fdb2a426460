//! What a child sees that was forked before or after CUDA was initialised, by `fork` and by a bare
//! `clone`.

mod support;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use cuda_primary_context::sys::CUctx_flags;
use cuda_primary_context::{
    Driver, Error, PrimaryContext, PrimaryContextGuard, StaleRelease, fork,
};
use simulated_libcuda::{Fault, Knob, Simulator};
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
fn child_of_a_parent_that_only_loaded_the_library_works() {
    in_own_process("child_of_a_parent_that_only_loaded_the_library_works", || {
        for birth in BIRTHS {
            // Loads the library, as importing a Python package does, and calls nothing.
            let simulator = Simulator::start(2);
            assert!(!simulator.is_initialized());
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
        for holds_the_drivers_lock_too in [0, 1] {
            let machine = machine(2);
            let parent = std::process::id();
            let context = PrimaryContext::retain(machine.device(1)).unwrap();
            // A retain that takes its time, under the lock for retains and releases.
            machine.simulator.set_knob(Knob::DelayHoldsLock, holds_the_drivers_lock_too);
            machine.simulator.set_knob(Knob::RetainMicroseconds, 1_000_000);
            std::thread::scope(|scope| {
                let slow = scope.spawn(|| drop(PrimaryContext::retain(machine.device(0)).unwrap()));
                std::thread::sleep(std::time::Duration::from_millis(200));
                for birth in BIRTHS {
                    let (context, device) = (&context, machine.device(1));
                    let status = in_child(birth, || {
                        is_forked(Driver::load_from(machine.simulator.path()), parent);
                        is_forked(PrimaryContext::retain(device), parent);
                        is_forked(PrimaryContextGuard::retain_only(device), parent);
                        is_forked(device.handles(), parent);
                        is_forked(device.primary_context_state(), parent);
                        is_forked(context.make_current(), parent);
                        // SAFETY: the child's copy of a handle that the parent goes on using: what
                        // is read twice is a device and an address.
                        drop(unsafe { std::ptr::read(context) });
                        0
                    });
                    assert!(status.success(), "{birth:?}: {status}");
                }
                assert!(!slow.is_finished(), "the children were made while the lock was held");
            });
            drop(context);
            assert_eq!(machine.references(), [0, 0]);
        }
    });
}

#[test]
fn driver_that_is_not_initialized_is_no_fork_in_the_process_itself() {
    let machine = machine(1);
    machine.simulator.inject(Fault::of("cuDevicePrimaryCtxRetain", 1).code(3).refused());
    let error = PrimaryContext::retain(machine.device(0)).unwrap_err();
    assert_eq!((error.kind(), error.call()), ("driver", Some("cuDevicePrimaryCtxRetain")));
}

/// Kernels before 4.14 have no pages that a fork empties. A filter of system calls makes this one
/// such a kernel for the process.
fn forbid_pages_that_a_fork_empties() {
    const ADVICE: u32 = 32; // the third argument's lower half in what the filter looks at
    let refused = libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32;
    let instruction =
        |code: u32, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let is = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let mut filter = [
        instruction(load, 0, 0),
        instruction(is, 3, libc::SYS_madvise as u32),
        instruction(load, 0, ADVICE),
        instruction(is, 1, libc::MADV_WIPEONFORK as u32),
        instruction(answer, 0, refused),
        instruction(answer, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: takes plain numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program points to as many instructions as it says, and the kernel copies them.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) }, 0);
}

#[test]
fn older_kernels_tell_a_child_by_the_handler_and_by_the_process_id() {
    in_own_process("older_kernels_tell_a_child_by_the_handler_and_by_the_process_id", || {
        forbid_pages_that_a_fork_empties();
        let machine = machine(2);
        let parent = std::process::id();
        let context = PrimaryContext::retain(machine.device(0)).unwrap();
        let inherited = || {
            // SAFETY: the child's copy of a handle that the parent goes on using: what is read twice
            // is a device and an address.
            unsafe { std::ptr::read(&context) }
        };
        let status = in_child(Birth::Fork, || {
            let before = machine.simulator.total_calls();
            is_forked(PrimaryContext::retain(machine.device(1)), parent);
            is_forked(machine.device(0).handles(), parent);
            drop(inherited());
            assert!(fork::forked_after_init());
            i32::from(machine.simulator.total_calls() != before)
        });
        assert!(status.success(), "{status}");
        // No handler runs: the driver's answer and the process id tell, where the driver refuses.
        machine.simulator.set_knob(Knob::ChildOfBareClone, 3);
        let status = in_child(Birth::Clone, || {
            is_forked(PrimaryContext::retain(machine.device(1)), parent);
            is_forked(PrimaryContextGuard::retain_only(machine.device(1)), parent);
            drop(inherited());
            i32::from(machine.driver.unreleased() != 0)
        });
        assert!(status.success(), "{status}");
        machine.simulator.set_knob(Knob::RetainMicroseconds, 500_000);
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| drop(PrimaryContext::retain(machine.device(1)).unwrap()));
            std::thread::sleep(std::time::Duration::from_millis(100));
            let status = in_child(Birth::Clone, || {
                is_forked(PrimaryContext::retain(machine.device(0)), parent);
                drop(inherited());
                0
            });
            assert!(status.success(), "{status}");
            assert!(!slow.is_finished(), "the child was made while the lock was held");
        });
        assert_eq!(machine.device(0).handles(), Ok(1));
        context.release().unwrap();
        assert_eq!(machine.references(), [0, 0]);
    });
}

/// Where the test of exec finds the library that it loads anew.
const LIBRARY_OF_THE_PARENT: &str = "FORKED_CHILD_LIBRARY";

#[test]
fn child_of_a_process_whose_cuinit_failed_does_not_call_it() {
    in_own_process("child_of_a_process_whose_cuinit_failed_does_not_call_it", || {
        let simulator = Simulator::builder().devices(2).visible_devices(Some("")).start();
        let parent = std::process::id();
        let load = || Driver::load_from(simulator.path());
        assert_eq!(load().unwrap_err().kind(), "no_device");
        let calls = simulator.total_calls();
        for birth in BIRTHS {
            let status = in_child(birth, || {
                is_forked(load(), parent);
                assert_eq!(simulator.total_calls(), calls);
                i32::from(!fork::forked_after_init())
            });
            assert!(status.success(), "{birth:?}: {status}");
        }
        assert_eq!(load().unwrap_err().kind(), "no_device", "in the parent it is tried anew");
        assert!(!fork::forked_after_init());
    });
}

#[test]
fn child_may_exec_and_load_anew() {
    in_own_process("child_may_exec_and_load_anew", || {
        if let Some(library) = std::env::var_os(LIBRARY_OF_THE_PARENT) {
            return loads_anew(Path::new(&library));
        }
        let machine = machine(2);
        let _context = PrimaryContext::retain(machine.device(0)).unwrap();
        let (program, library) = (std::env::current_exe().unwrap(), machine.simulator.path());
        let same_test = ["--exact", "child_may_exec_and_load_anew", "--test-threads=1"];
        for birth in BIRTHS {
            let status = in_child(birth, || {
                let error = Command::new(&program)
                    .args(same_test)
                    .env(LIBRARY_OF_THE_PARENT, library)
                    .stdout(std::process::Stdio::null())
                    .exec();
                panic!("the child becomes another program: {error}")
            });
            assert!(status.success(), "{birth:?}: {status}");
        }
        assert_eq!(machine.references(), [1, 0]);
    });
}

/// What the child does once it is a program of its own.
fn loads_anew(library: &Path) {
    assert!(!fork::forked_after_init());
    let driver = Driver::load_from(library).unwrap();
    let guard = PrimaryContextGuard::retain_only(driver.device(0).unwrap()).unwrap();
    assert_eq!(guard.report().devices().len(), driver.device_count() as usize);
    guard.release().unwrap();
}

#[test]
fn child_may_use_another_driver() {
    in_own_process("child_may_use_another_driver", || {
        let machine = machine(1);
        let other = Simulator::start(2);
        let parent = std::process::id();
        for birth in BIRTHS {
            let status = in_child(birth, || {
                is_forked(PrimaryContext::retain(machine.device(0)), parent);
                let own = Driver::load_from(other.path()).unwrap();
                let guard = PrimaryContextGuard::retain_only(own.device(1).unwrap()).unwrap();
                assert_eq!(own.device(1).unwrap().handles(), Ok(1));
                guard.release().unwrap();
                // The parent's driver stays what it is.
                is_forked(Driver::load_from(machine.simulator.path()), parent);
                i32::from(!fork::forked_after_init())
            });
            assert!(status.success(), "{birth:?}: {status}");
        }
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
