//! A fault at every driver call of suspending and resuming: what is handed back is what the process is,
//! as the simulator has it.

use cuda_primary_context::checkpoint::{Found, GpuMap, Room, State, Steps};
use simulated_libcuda::Fault;

use crate::support::targets::SharedMachine;
use crate::{CALLS, LIMIT, bring_back, cycle, open_all, states, targets};

/// 777,777 is in no header.
const CODES: [u32; 12] = [1, 2, 3, 4, 34, 201, 304, 401, 600, 801, 999, 777_777];

/// What must be handed back after a step that returned this code and left the process in this state.
fn check_found(found: &Found, state: u32, locks: bool, code: u32, all_fail: bool, trial: &str) {
    let by_others = locks && matches!(code, 401 | 600);
    let right = match (found, state) {
        (Found::Unknown(..), _) => all_fail,
        (Found::Running(_), 0) | (Found::Checkpointed(_), 2) => !all_fail,
        (Found::Locked(_), 1) => !all_fail && !by_others,
        (Found::Other(_, State::Locked), 1) => !all_fail && by_others,
        _ => false,
    };
    assert!(right, "{trial}: found {found:?} where the state is {state}");
}

fn fault(position: u64, code: u32, done: bool) -> Fault {
    let fault = Fault::at_call(position).code(code);
    if done { fault.done_then_reported() } else { fault.refused() }
}

#[test]
fn every_fault_is_reported_with_what_the_process_is() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let pid = target.pid();
    for (position, call) in (1..).zip(CALLS) {
        for code in CODES {
            for (done, lasting) in [(false, false), (true, false), (false, true), (true, true)] {
                let trial = format!("{call}, code {code}, done {done}, lasting {lasting}");
                let fault = fault(position, code, done);
                machine.simulator.inject(if lasting { fault.from_then_on() } else { fault });
                let error = cycle(machine.open(pid).unwrap()).expect_err(&trial);
                let reported = (error.error().call(), error.error().code().map(|code| code.0));
                assert_eq!(reported, (Some(call), Some(code)), "{trial}");
                let state = machine.state(pid);
                let locks = position % 2 == 1;
                check_found(error.found(), state, locks, code, lasting, &trial);
                let ours = matches!(error.found(), Found::Locked(_));
                drop(error);
                let after = if ours { 0 } else { state };
                assert_eq!(machine.state(pid), after, "{trial}: dropped");
                machine.simulator.clear_faults();
                bring_back(&machine, pid);
            }
        }
    }
    assert_eq!(target.ask(), 1, "it continues");
}

/// Three processes suspended and resumed as a group, with a fault at each of the twelve calls: the report says
/// what each is, and without an undo by hand they are running, or suspended, together.
#[test]
fn a_group_is_undone_whatever_fails() {
    let machine = SharedMachine::new();
    let (_targets, pids) = targets::<3>(&machine);
    for position in 1..=12 {
        for code in CODES {
            for done in [false, true] {
                let trial = format!("call {position}, code {code}, done {done}");
                machine.simulator.inject(fault(position, code, done));
                // One after the other and at once.
                let steps = if code % 2 == 0 { Steps::new() } else { Steps::new().at_once(1) };
                let error = steps
                    .suspend(open_all(&machine, &pids), LIMIT)
                    .and_then(|group| group.resume(&GpuMap::same(), &Room::Trusted))
                    .expect_err(&trial);
                assert_eq!(error.error().code().map(|code| code.0), Some(code), "{trial}");
                for (found, report) in error.found().iter().zip(error.reports()) {
                    assert_eq!((found.pid(), found.state()), (report.pid, report.state), "{trial}");
                    let reported = report.state.map(|state| match state {
                        State::Running => 0,
                        State::Locked => 1,
                        State::Checkpointed => 2,
                        other => panic!("{trial}: {other}"),
                    });
                    assert_eq!(reported, Some(machine.state(found.pid())), "{trial}");
                }
                drop(error);
                let after = states(&machine, pids);
                let by_others = matches!(code, 401 | 600);
                // A step that was made and reported as not made: the lock counts as another's.
                let together = after == [0; 3] || after == [2; 3];
                assert!(together || (by_others && done), "{trial}: {after:?}");
                machine.simulator.clear_faults();
                pids.iter().for_each(|&pid| bring_back(&machine, pid));
            }
        }
    }
}
