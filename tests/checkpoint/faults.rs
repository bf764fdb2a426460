//! A fault at every driver call of suspending and resuming: what is handed back is what the process is,
//! as the simulator has it.

use cuda_primary_context::checkpoint::{Found, GpuMap, Room, State, Steps};
use simulated_libcuda::Fault;

use crate::support::targets::SharedMachine;
use crate::{LIMIT, bring_back, cycle, open_all, states, targets};

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

#[test]
fn every_fault_is_reported_with_what_the_process_is() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let pid = target.pid();
    let mut trials = 0;
    for position in 1.. {
        let mut hit = false;
        for code in CODES {
            for (done, lasting) in [(false, false), (true, false), (false, true), (true, true)] {
                let trial = format!("call {position}, code {code}, done {done}, lasting {lasting}");
                let mut fault = Fault::at_call(position).code(code);
                fault = if done { fault.done_then_reported() } else { fault.refused() };
                machine.simulator.inject(if lasting { fault.from_then_on() } else { fault });
                let process = machine.open(pid).unwrap();
                let result = cycle(process);
                let fired = machine.simulator.faults_fired();
                hit |= fired > 0;
                trials += 1;
                match result {
                    Ok(()) => assert_eq!(fired, 0, "{trial}"),
                    Err(error) => {
                        assert_eq!(error.error().code().map(|code| code.0), Some(code), "{trial}");
                        let steps = ["Lock", "Checkpoint", "Restore", "Unlock"];
                        let call = format!("cuCheckpointProcess{}", steps[position as usize - 1]);
                        assert_eq!(error.error().call(), Some(&*call), "{trial}");
                        let state = machine.state(pid);
                        let locks = position % 2 == 1;
                        check_found(error.found(), state, locks, code, lasting, &trial);
                        let ours = matches!(error.found(), Found::Locked(_));
                        drop(error);
                        let after = if ours { 0 } else { state };
                        assert_eq!(machine.state(pid), after, "{trial}: dropped");
                    }
                }
                machine.simulator.clear_faults();
                bring_back(&machine, pid);
            }
        }
        if !hit {
            assert_eq!(position, 5, "a cycle has four calls");
            break;
        }
    }
    assert_eq!(trials, 5 * 12 * 4);
    assert_eq!(target.ask(b'q'), 1, "it goes on");
}

/// Two processes suspended and resumed as a group, with a fault at every call: the report says what each
/// is, and without an undo by hand they are running, or suspended, together.
#[test]
fn a_group_is_undone_whatever_fails() {
    let machine = SharedMachine::new();
    let (_targets, pids) = targets::<3>(&machine);
    for position in 1.. {
        let mut hit = false;
        for code in CODES {
            for done in [false, true] {
                let trial = format!("call {position}, code {code}, done {done}");
                let fault = Fault::at_call(position).code(code);
                let fault = if done { fault.done_then_reported() } else { fault.refused() };
                machine.simulator.inject(fault);
                // One after the other and at once.
                let steps = if code % 2 == 0 { Steps::new() } else { Steps::new().at_once(1) };
                let result = steps
                    .suspend(open_all(&machine, &pids), LIMIT)
                    .and_then(|group| group.resume(&GpuMap::same(), &Room::Trusted));
                let fired = machine.simulator.faults_fired() > 0;
                hit |= fired;
                assert_eq!(result.is_err(), fired, "{trial}");
                if let Err(error) = result {
                    assert_eq!(error.error().code().map(|code| code.0), Some(code), "{trial}");
                    for (found, report) in error.found().iter().zip(error.reports()) {
                        let state = machine.state(found.pid());
                        assert_eq!(found.pid(), report.pid);
                        assert_eq!(found.state(), report.state, "{trial}");
                        let reported = report.state.map(|state| match state {
                            State::Running => 0,
                            State::Locked => 1,
                            State::Checkpointed => 2,
                            other => panic!("{trial}: {other}"),
                        });
                        assert_eq!(reported, Some(state), "{trial}");
                    }
                    drop(error);
                    let after = states(&machine, pids);
                    let by_others = matches!(code, 401 | 600);
                    // A step that was made and reported as not made: the lock counts as another's.
                    let together = after == [0; 3] || after == [2; 3];
                    assert!(together || (by_others && done), "{trial}: {after:?}");
                }
                machine.simulator.clear_faults();
                pids.iter().for_each(|&pid| bring_back(&machine, pid));
            }
        }
        if !hit {
            assert_eq!(position, 13, "twelve calls");
            break;
        }
    }
}
