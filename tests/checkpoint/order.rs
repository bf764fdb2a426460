//! In which order a group takes its steps and undoes them, and how many overlap.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use cuda_primary_context::checkpoint::{GpuMap, Room, Step, StepReport, Steps, suspend};
use simulated_libcuda::{Fault, Knob};

use crate::support::targets::SharedMachine;
use crate::support::watchdog::before_the_watchdog_bites;
use crate::{CALLS, LIMIT, open_all, states, targets};

/// Calls, each with the indices of the processes that changed their state since the last one.
type Order = Arc<Mutex<Vec<(&'static str, usize)>>>;

/// Records from now on which process each call changes.
fn record_order<const COUNT: usize>(machine: &SharedMachine, pids: [u32; COUNT]) -> Order {
    let order = Order::default();
    // Another driver of the machine: its calls are not the controller's.
    let seen = Arc::new(Mutex::new((machine.another(), states(machine, pids))));
    for call in CALLS {
        for number in 1..=COUNT as u64 {
            let (order, seen) = (order.clone(), seen.clone());
            machine.simulator.after_call(call, number, move || {
                let (simulator, before) = &mut *seen.lock().unwrap();
                let now = pids.map(|pid| simulator.target(pid).expect("it lives").state);
                let changed = (0..COUNT).filter(|&index| now[index] != before[index]);
                let call = call.strip_prefix("cuCheckpointProcess").expect("a checkpoint call");
                order.lock().unwrap().extend(changed.map(|index| (call, index)));
                *before = now;
            });
        }
    }
    order
}

fn recorded(order: &Order) -> Vec<(&'static str, usize)> {
    std::mem::take(&mut *order.lock().unwrap())
}

#[test]
fn steps_are_undone_in_the_reverse_order() {
    let machine = SharedMachine::new();
    let (_targets, pids) = targets::<3>(&machine);
    machine.simulator.set_managed_memory(pids[2], true);
    let order = record_order(&machine, pids);
    Steps::new().at_once(1).suspend(open_all(&machine, &pids), LIMIT).unwrap_err();
    assert_eq!(
        recorded(&order),
        [
            ("Lock", 0),
            ("Lock", 1),
            ("Lock", 2),
            ("Checkpoint", 0),
            ("Checkpoint", 1),
            ("Restore", 1),
            ("Restore", 0),
            ("Unlock", 2),
            ("Unlock", 1),
            ("Unlock", 0),
        ]
    );
    machine.simulator.set_managed_memory(pids[2], false);
    let suspended = suspend(open_all(&machine, &pids), LIMIT).unwrap();
    machine.simulator.inject(Fault::of("cuCheckpointProcessRestore", 3).code(2).refused());
    let order = record_order(&machine, pids);
    Steps::new().at_once(1).resume(suspended, &GpuMap::same(), &Room::Trusted).unwrap_err();
    let expected = [("Restore", 0), ("Restore", 1), ("Checkpoint", 1), ("Checkpoint", 0)];
    assert_eq!(recorded(&order), expected);
}

#[test]
fn all_are_locked_before_any_is_checkpointed_and_restored_before_any_is_unlocked() {
    let machine = SharedMachine::new();
    let (mut targets, pids) = targets::<3>(&machine);
    let order = record_order(&machine, pids);
    machine.simulator.record_calls(true);
    let calls = || {
        let calls = machine.simulator.calls();
        machine.simulator.clear_calls();
        let calls = calls.iter().map(|call| &call.function["cuCheckpointProcess".len()..]);
        calls.filter(|call| *call != "GetState").collect::<Vec<_>>()
    };
    let suspended = suspend(open_all(&machine, &pids), LIMIT).unwrap();
    let thrice = |first, second| [[first; 3], [second; 3]].concat();
    assert_eq!(calls(), thrice("Lock", "Checkpoint"));
    assert_eq!(recorded(&order)[..3], [("Lock", 0), ("Lock", 1), ("Lock", 2)]);
    suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap();
    assert_eq!(calls(), thrice("Restore", "Unlock"));
    assert_eq!(recorded(&order)[3..], [("Unlock", 0), ("Unlock", 1), ("Unlock", 2)]);
    // Undone at once, too, and unlocked in the reverse order.
    machine.simulator.set_managed_memory(pids[2], true);
    let order = record_order(&machine, pids);
    suspend(open_all(&machine, &pids), LIMIT).unwrap_err();
    let undone = ["Restore", "Restore", "Unlock", "Unlock", "Unlock"];
    assert_eq!(calls(), [&thrice("Lock", "Checkpoint")[..], &undone].concat());
    let unlocked = [("Unlock", 2), ("Unlock", 1), ("Unlock", 0)];
    assert!(recorded(&order).ends_with(&unlocked));
    assert!(targets.iter_mut().all(|target| target.ask() == 1));
}

#[test]
fn checkpoints_and_restores_of_a_group_overlap() {
    let machine = SharedMachine::new();
    let (_targets, pids) = targets::<4>(&machine);
    for call in [CALLS[1], CALLS[2]] {
        let barrier = Arc::new(Barrier::new(pids.len()));
        for number in 1..=pids.len() as u64 {
            let barrier = barrier.clone();
            // Nobody passes before all are there.
            machine.simulator.before_call(call, number, move || {
                barrier.wait();
            });
        }
    }
    before_the_watchdog_bites("a group whose steps do not overlap", || {
        let suspended = suspend(open_all(&machine, &pids), LIMIT).unwrap();
        suspended.resume(&GpuMap::same(), &Room::Trusted).unwrap();
    });
}

#[test]
fn no_more_overlap_than_are_allowed() {
    let machine = SharedMachine::from(|builder| builder.knob(Knob::CheckpointMilliseconds, 5));
    let (_targets, pids) = targets::<6>(&machine);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for number in 1..=pids.len() as u64 {
        let (under_way, most) = (now.clone(), most.clone());
        machine.simulator.before_call(CALLS[1], number, move || {
            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        });
        let under_way = now.clone();
        machine.simulator.after_call(CALLS[1], number, move || {
            under_way.fetch_sub(1, Ordering::SeqCst);
        });
    }
    let heard = Mutex::new(Vec::new());
    let hear = |pid: u32, step: &StepReport| heard.lock().unwrap().push((pid, step.step));
    let steps = Steps::new().at_once(2).on_step(&hear);
    let suspended = steps.suspend(open_all(&machine, &pids), LIMIT).unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2);
    let heard = heard.into_inner().unwrap();
    assert_eq!(heard[..6], pids.map(|pid| (pid, Step::Lock)));
    for pid in pids {
        assert!(heard[6..].contains(&(pid, Step::Checkpoint)));
    }
    // 0 would suspend nothing.
    Steps::new().at_once(0).resume(suspended, &GpuMap::same(), &Room::Trusted).unwrap();
    assert_eq!(states(&machine, pids), [0; 6]);
}
