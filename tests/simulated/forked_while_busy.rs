//! Children that were forked while another thread was at work in the crate: nothing waits for a thread
//! that the child does not have.

use std::io;

use crate::forked_child::{is_forked, machine_that_works_in_children};
use crate::support::processes::{Birth, in_child, in_own_process};
use crate::support::stopped::Stopped;
use crate::support::{Machine, load, skips};
use cuda_primary_context::{
    Error, Outcome, PrimaryContext, PrimaryContextGuard, StrayRelease, fork,
};

/// Two devices and a stray context on the first; calls of a child would work.
fn machine_with_a_stray() -> Machine {
    let machine = machine_that_works_in_children(2);
    machine.stray(&[1, 0]);
    machine
}

/// Runs `meanwhile` while another thread sweeps device 0, and stands still in its release.
fn while_device_0_is_swept(machine: &Machine, meanwhile: impl FnOnce()) {
    let teardown = Stopped::before(&machine.simulator, "cuDevicePrimaryCtxRelease_v2", 1);
    std::thread::scope(|scope| {
        let sweep = scope.spawn(|| StrayRelease::new().run(machine.driver).unwrap());
        teardown.has_begun();
        meanwhile();
        assert!(!sweep.is_finished(), "the release stands still");
        teardown.go_on();
        let report = sweep.join().unwrap();
        let outcome = report.devices().next().unwrap().outcome().clone();
        assert_eq!(outcome, Outcome::Released { releases: 1 });
    });
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

#[test]
fn child_of_a_sweep_waits_for_nobody() {
    let test = "forked_while_busy::child_of_a_sweep_waits_for_nobody";
    children_of_a_sweep_are_refused(test, || Ok(()));
}

#[test]
fn older_kernels_show_a_child_by_the_process_id() {
    let test = "forked_while_busy::older_kernels_show_a_child_by_the_process_id";
    children_of_a_sweep_are_refused(test, forbid_pages_that_a_fork_empties);
}

#[test]
fn advice_that_is_passed_over_is_not_believed() {
    let test = "forked_while_busy::advice_that_is_passed_over_is_not_believed";
    children_of_a_sweep_are_refused(test, pass_over_advice);
}

fn children_of_a_sweep_are_refused(test: &'static str, filter: fn() -> io::Result<()>) {
    in_own_process(test, || {
        if let Err(error) = filter() {
            return skips::skip("seccomp", test, &format!("no filter of system calls: {error}"));
        }
        let machine = machine_with_a_stray();
        let parent = std::process::id();
        let context = PrimaryContext::retain(machine.device(1)).unwrap();
        while_device_0_is_swept(&machine, || {
            for birth in [Birth::Fork, Birth::Clone] {
                let before = machine.simulator.total_calls();
                let status = in_child(birth, || {
                    for device in machine.driver.devices() {
                        is_forked(PrimaryContext::retain(device), parent);
                        is_forked(PrimaryContext::retain_if_active(device), parent);
                        is_forked(PrimaryContextGuard::retain_only(device), parent);
                        is_forked(StrayRelease::new().plan(device), parent);
                        is_forked(device.handles(), parent);
                    }
                    is_forked(load(machine.simulator.path()), parent);
                    is_forked(StrayRelease::new().run(machine.driver), parent);
                    is_forked(context.make_current(), parent);
                    is_forked(copy_of(&context).release().map_err(Error::from), parent);
                    assert_eq!(machine.driver.unreleased(), 0, "nothing is owed");
                    drop(copy_of(&context));
                    assert!(!copy_of(&context).into_raw().is_null());
                    assert!(fork::forked_after_init());
                    assert_eq!(machine.simulator.total_calls(), before);
                    0
                });
                assert!(status.success(), "{birth:?}: {status}");
            }
        });
        context.release().unwrap();
        assert_eq!(machine.references(), [0, 0]);
    });
}
