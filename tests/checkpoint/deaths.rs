//! Controllers and processes that are killed at every step.

use std::time::Duration;

use cuda_primary_context::checkpoint::{GpuMap, Room, recover, suspend};

use crate::LIMIT;
use crate::support::targets::{Child, SharedMachine, kill_and_wait};
use crate::support::watchdog::before_the_watchdog_bites;
use crate::{CALLS, open_all, states, targets};

#[test]
fn a_busy_process_that_dies_ends_the_wait_for_it() {
    let machine = SharedMachine::new();
    before_the_watchdog_bites("a lock without a limit", || {
        let mut target = machine.target();
        let pid = target.pid();
        machine.simulator.set_busy(pid, true);
        std::thread::scope(|scope| {
            // Opened while it certainly lives: the thread may come late.
            let process = machine.open(pid).unwrap();
            let lock = scope.spawn(|| process.lock_without_limit().map(drop));
            std::thread::sleep(Duration::from_millis(20));
            target.kill();
            assert_eq!(lock.join().unwrap().unwrap_err().error().kind(), "ended");
        });
    });
}

/// Every call of a group of three, before and after it acts.
fn moments() -> impl Iterator<Item = (&'static str, u64, bool)> {
    CALLS.into_iter().flat_map(|call| {
        (1..=3).flat_map(move |number| [false, true].map(|after| (call, number, after)))
    })
}

fn at(machine: &SharedMachine, moment: (&str, u64, bool), action: impl FnOnce() + Send + 'static) {
    match moment {
        (call, number, false) => machine.simulator.before_call(call, number, action),
        (call, number, true) => machine.simulator.after_call(call, number, action),
    }
}

#[test]
fn promise_12_a_controller_that_dies_leaves_no_process_that_cannot_be_brought_back() {
    for moment in moments() {
        let machine = SharedMachine::new();
        let (mut targets, pids) = targets::<3>(&machine);
        let mut controller = Child::start(|| {
            // SAFETY: ends this process, in the middle of its call.
            at(&machine, moment, || assert_eq!(unsafe { libc::raise(libc::SIGKILL) }, 0));
            let suspended = suspend(open_all(&machine, &pids), LIMIT).expect("it is killed");
            let _ = suspended.resume(&GpuMap::same(), &Room::Trusted);
            0
        });
        controller.order();
        assert_eq!(controller.wait(), libc::SIGKILL, "{moment:?}");
        let recovered = recover(open_all(&machine, &pids), &GpuMap::same(), &Room::Trusted);
        assert_eq!(recovered.expect("all live").into_processes().len(), 3, "{moment:?}");
        assert_eq!(states(&machine, pids), [0; 3], "{moment:?}");
        assert!(targets.iter_mut().all(|target| target.ask() == 1), "{moment:?}");
    }
}

#[test]
fn a_member_that_dies_at_any_step_leaves_the_others_as_reported() {
    before_the_watchdog_bites("a member that dies", || {
        for moment in moments() {
            let machine = SharedMachine::new();
            let (mut targets, pids) = targets::<3>(&machine);
            let dead = pids[1];
            at(&machine, moment, move || kill_and_wait(dead));
            let result = suspend(open_all(&machine, &pids), LIMIT)
                .and_then(|group| group.resume(&GpuMap::same(), &Room::Trusted));
            targets[1].is_killed_by_others();
            let others = [pids[0], pids[2]];
            match result {
                Ok(_) => assert_eq!(states(&machine, others), [0; 2], "{moment:?}"),
                Err(error) => {
                    assert_eq!(error.error().kind(), "ended", "{moment:?}: {error:?}");
                    assert_eq!(error.pid(), Some(dead));
                    assert_eq!(error.found()[1].state(), None);
                    drop(error);
                    let left = states(&machine, others);
                    assert!(left == [0; 2] || left == [2; 2], "{moment:?}: {left:?}");
                }
            }
            recover(open_all(&machine, &others), &GpuMap::same(), &Room::Trusted).unwrap();
            assert_eq!(states(&machine, others), [0; 2], "{moment:?}");
        }
    });
}
