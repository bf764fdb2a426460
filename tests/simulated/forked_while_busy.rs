//! Children that were forked while another thread was at work in the crate: nothing waits for a thread
//! that the child does not have.

use std::io;

use crate::forked_child::every_operation_is_refused;
use crate::support::namespaces::makes_first_processes;
use crate::support::processes::{BIRTHS, Birth, in_own_process, succeeds_in_child, this_test};
use crate::support::{Machine, load, machine_with, skips, stopped};
use cuda_primary_context::{Error, Outcome, PrimaryContext, StrayRelease, fork};
use simulated_libcuda::Simulator;

/// As [`stopped::while_device_0_is_swept`].
fn while_device_0_is_swept(machine: &Machine, meanwhile: impl FnOnce() + Send) {
    let outcome = stopped::while_device_0_is_swept(machine, &StrayRelease::new(), meanwhile);
    assert_eq!(outcome, Outcome::Released { releases: 1 });
}

/// The child's copy of a handle that the parent goes on using.
fn copy_of(context: &PrimaryContext) -> PrimaryContext {
    // SAFETY: only called in a child: what is read twice is a device and an address, of which each
    // process has its own.
    unsafe { std::ptr::read(context) }
}

/// Kernels before 4.14 have no pages that a fork empties. A filter of system calls makes this one
/// such a kernel for the process.
fn forbid_pages_that_a_fork_empties() -> io::Result<()> {
    const ADVICE: u32 = 32; // the third argument's lower half in what the filter looks at
    filter_advice(ADVICE, libc::MADV_WIPEONFORK as u32, libc::EINVAL as u32)
}

/// QEMU 7.2 returns success for any advice of a program for another processor, and does nothing. A filter makes
/// this kernel do the same.
fn pass_over_advice() -> io::Result<()> {
    const NUMBER: u32 = 0; // the system call's own, which every advice has
    filter_advice(NUMBER, libc::SYS_madvise as u32, 0)
}

/// Makes those `madvise` return an error, or success for 0, that have a value at this offset in what the
/// filter looks at.
fn filter_advice(offset: u32, value: u32, error: u32) -> io::Result<()> {
    let refused = libc::SECCOMP_RET_ERRNO | error;
    let instruction =
        |code: u32, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let is = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let result = libc::BPF_RET | libc::BPF_K;
    let mut filter = [
        instruction(load, 0, 0),
        instruction(is, 3, libc::SYS_madvise as u32),
        instruction(load, 0, offset),
        instruction(is, 1, value),
        instruction(result, 0, refused),
        instruction(result, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: takes plain numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program points to as many instructions as it says, and the kernel copies them.
    checked(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) })
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the filter is there, or says that it cannot be.
fn is_filtered(filtered: io::Result<()>) -> bool {
    if let Err(error) = &filtered {
        skips::skip("seccomp", &this_test(), &format!("no filter of system calls: {error}"));
    }
    filtered.is_ok()
}

#[test]
fn child_of_a_sweep_waits_for_nobody() {
    in_own_process(|| children_of_a_sweep_are_refused(|| Ok(())));
}

#[test]
fn older_kernels_show_children_without_such_pages() {
    in_own_process(|| children_of_a_sweep_are_refused(forbid_pages_that_a_fork_empties));
}

#[test]
fn advice_that_is_passed_over_is_not_believed() {
    in_own_process(|| children_of_a_sweep_are_refused(pass_over_advice));
}

#[test]
fn a_child_that_has_its_parents_process_id_is_refused() {
    in_own_process(|| first_processes_are_refused(&BIRTHS));
}

#[test]
fn older_kernels_show_a_fork_that_has_its_parents_process_id() {
    in_own_process(|| {
        if is_filtered(forbid_pages_that_a_fork_empties()) {
            first_processes_are_refused(&[Birth::Fork]);
        }
    });
}

/// As in containers: parent and child are each process 1 of a PID namespace of their own.
fn first_processes_are_refused(births: &[Birth]) {
    let simulator = Simulator::builder().devices(1).visible_devices(None).start();
    let parent = |birth| {
        let driver = load(simulator.path()).unwrap();
        assert_eq!(driver.device(0).unwrap().handles(), Ok(0));
        assert!(makes_first_processes());
        succeeds_in_child(birth, || {
            assert_eq!(std::process::id(), 1);
            let handles = driver.device(0).unwrap().handles();
            let is_refused =
                |error| matches!(error, Error::ForkedAfterInit { initialised_in: Some(1) });
            assert!(handles.is_err_and(is_refused));
            assert!(fork::forked_after_init());
        });
    };
    for &birth in births {
        // A process can do this once.
        succeeds_in_child(Birth::Fork, || {
            if makes_first_processes() {
                succeeds_in_child(Birth::Fork, || parent(birth));
            }
        });
    }
}

fn children_of_a_sweep_are_refused(filter: fn() -> io::Result<()>) {
    if !is_filtered(filter()) {
        return;
    }
    let machine = machine_with(&[1, 0, 0]);
    let context = machine.retain(1);
    while_device_0_is_swept(&machine, || {
        for birth in BIRTHS {
            let before = machine.simulator.total_calls();
            succeeds_in_child(birth, || {
                every_operation_is_refused(&machine, &context);
                drop(copy_of(&context));
                assert!(!copy_of(&context).into_raw().is_null());
                assert_eq!(machine.simulator.total_calls(), before);
            });
        }
    });
    assert_eq!([0, 1, 2].map(|ordinal| machine.device(ordinal).handles()), [Ok(0), Ok(1), Ok(0)]);
    context.release().unwrap();
    assert_eq!(machine.references(), [0, 0, 0]);
}
