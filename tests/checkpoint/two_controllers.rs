//! Two controllers of the same processes.

use cuda_primary_context::checkpoint::{Found, GpuMap, Room, State, suspend};

use crate::support::targets::SharedMachine;
use crate::support::watchdog::before_the_watchdog_bites;
use crate::{LIMIT, code, open_all, states, targets};

#[test]
fn a_lock_is_the_others_until_it_is_taken_up() {
    let machine = SharedMachine::new();
    let (mut targets, [pid]) = targets::<1>(&machine);
    let open = || machine.open(pid).unwrap();
    let first = open().lock(LIMIT).unwrap();
    let error = open().lock(LIMIT).unwrap_err();
    assert_eq!((code(&error), error.found().state()), (401, Some(State::Locked)));
    let (_, found) = error.into_parts();
    let Found::Other(process, State::Locked) = found else { panic!("{found:?}") };
    drop(process);
    assert_eq!(machine.state(pid), 1, "dropping what is another's changes nothing");
    let Found::Locked(second) = open().take_up() else { panic!("it is locked") };
    let suspended = first.checkpoint().unwrap();
    drop(second);
    assert_eq!(machine.state(pid), 2, "a lock that is over is not undone");
    // The other controller restores: the first one's step finds it locked by somebody else.
    let Found::Checkpointed(same) = open().take_up() else { panic!("it is checkpointed") };
    let locked = same.restore(&GpuMap::same(), &Room::Trusted).unwrap();
    let error = suspended.restore(&GpuMap::same(), &Room::Trusted).unwrap_err();
    assert!(matches!(error.found(), Found::Other(_, State::Locked)), "{error:?}");
    drop(error);
    assert_eq!(machine.state(pid), 1);
    locked.unlock().unwrap();
    assert_eq!((machine.state(pid), targets[0].ask()), (0, 1));
}

/// Each with the processes in another order, so that each finds one that the other has locked.
#[test]
fn two_controllers_of_one_group_at_once_never_leave_it_between_states() {
    let machine = SharedMachine::new();
    let (mut targets, pids) = targets::<2>(&machine);
    before_the_watchdog_bites("two controllers of a group", || {
        std::thread::scope(|scope| {
            for order in [[0, 1], [1, 0]] {
                let (machine, pids) = (&machine, order.map(|index: usize| pids[index]));
                scope.spawn(move || {
                    let mut cycles = 0;
                    while cycles < 30 {
                        match suspend(open_all(machine, &pids), LIMIT) {
                            Ok(group) => {
                                group.resume(&GpuMap::same(), &Room::Trusted).expect("only ours");
                                cycles += 1;
                            }
                            Err(error) => {
                                assert_eq!(error.error().code().map(|code| code.0), Some(401));
                                std::thread::yield_now();
                            }
                        }
                    }
                });
            }
        });
    });
    assert_eq!(states(&machine, pids), [0; 2]);
    assert!(targets.iter_mut().all(|target| target.ask() == 1));
}
