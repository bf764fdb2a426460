//! Random histories of two controllers and one process, beside a model that only knows the states.

use cuda_primary_context::checkpoint::{
    Checkpointed, Found, GpuMap, Locked, Process, Room, State, StepError, suspend,
};

use crate::support::targets::SharedMachine;
use crate::support::watchdog::before_the_watchdog_bites;
use crate::{LIMIT, open_all, states, targets};

#[derive(Debug, Clone, Copy)]
enum Action {
    Lock,
    Checkpoint,
    Restore,
    Unlock,
    TakeUp,
    /// Gives up what is held.
    Drop,
    /// As a controller that is killed: nothing is done.
    Forget,
}

/// What a controller holds.
enum Held {
    Nothing,
    Opened(Process),
    Locked(Locked),
    Checkpointed(Checkpointed),
}

impl Held {
    fn of(found: Found) -> Self {
        match found {
            Found::Running(process) | Found::Other(process, _) => Self::Opened(process),
            Found::Locked(process) => Self::Locked(process),
            Found::Checkpointed(process) => Self::Checkpointed(process),
            other => panic!("{other:?}"),
        }
    }
}

/// Makes one step from the state that it needs to the next; the model of the driver. `None`: 401.
fn model(state: u32, action: Action) -> Option<u32> {
    match (action, state) {
        (Action::Lock, 0) | (Action::Restore, 2) => Some(1),
        (Action::Checkpoint, 1) => Some(2),
        (Action::Unlock, 1) => Some(0),
        _ => None,
    }
}

fn settle<T>(
    result: Result<T, StepError>,
    hold: impl FnOnce(T) -> Held,
    state: &mut u32,
    action: Action,
) -> Held {
    let next = model(*state, action);
    match result {
        Ok(held) => {
            *state = next.unwrap_or_else(|| panic!("{action:?} in state {state} returned 0"));
            hold(held)
        }
        Err(error) => {
            assert_eq!(next, None, "{action:?} in state {state}: {error:?}");
            assert_eq!(error.error().code().map(|code| code.0), Some(401));
            let (_, found) = error.into_parts();
            match (*state, &found) {
                (0, Found::Running(_))
                | (1, Found::Other(_, State::Locked))
                | (2, Found::Checkpointed(_)) => {}
                _ => panic!("{found:?} in state {state}"),
            }
            Held::of(found)
        }
    }
}

fn act(machine: &SharedMachine, pid: u32, held: Held, action: Action, state: &mut u32) -> Held {
    let open = || machine.open(pid).expect("the process lives");
    match (action, held) {
        (Action::Drop, Held::Locked(locked)) => {
            drop(locked);
            if *state == 1 {
                *state = 0;
            }
            Held::Nothing
        }
        (Action::Drop, _) => Held::Nothing,
        (Action::Forget, Held::Locked(locked)) => {
            std::mem::forget(locked);
            Held::Nothing
        }
        (Action::Forget, _) => Held::Nothing,
        (Action::TakeUp, held) => {
            if let Held::Locked(locked) = held {
                std::mem::forget(locked);
            }
            let found = open().take_up();
            assert_eq!(
                found.state(),
                Some([State::Running, State::Locked, State::Checkpointed][*state as usize])
            );
            Held::of(found)
        }
        (Action::Lock, Held::Opened(process)) => {
            settle(process.lock(LIMIT), Held::Locked, state, action)
        }
        (Action::Lock, Held::Nothing) => settle(open().lock(LIMIT), Held::Locked, state, action),
        (Action::Checkpoint, Held::Locked(locked)) => {
            settle(locked.checkpoint(), Held::Checkpointed, state, action)
        }
        (Action::Unlock, Held::Locked(locked)) => {
            settle(locked.unlock(), Held::Opened, state, action)
        }
        (Action::Restore, Held::Checkpointed(process)) => {
            settle(process.restore(&GpuMap::same(), &Room::Trusted), Held::Locked, state, action)
        }
        // The types have no such step.
        (_, held) => held,
    }
}

const ACTIONS: [Action; 7] = [
    Action::Lock,
    Action::Checkpoint,
    Action::Restore,
    Action::Unlock,
    Action::TakeUp,
    Action::Drop,
    Action::Forget,
];

/// The numbers of a linear congruential generator, the same in every run.
fn numbers() -> impl Iterator<Item = usize> {
    let next = |last: &u64| Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    std::iter::successors(Some(1_u64), next).map(|number| (number >> 33) as usize)
}

#[test]
fn two_controllers_find_the_process_as_the_model_has_it() {
    let machine = SharedMachine::new();
    let mut target = machine.target();
    let pid = target.pid();
    let mut numbers = numbers();
    for _ in 0..500 {
        machine.simulator.set_state(pid, 0);
        let mut state = 0;
        let mut controllers = [Held::Nothing, Held::Nothing];
        let mut history = Vec::new();
        for number in numbers.by_ref().take(30) {
            let (controller, action) = (number % 2, ACTIONS[number / 2 % ACTIONS.len()]);
            history.push((controller, action));
            let held = std::mem::replace(&mut controllers[controller], Held::Nothing);
            controllers[controller] = act(&machine, pid, held, action, &mut state);
            assert_eq!(machine.state(pid), state, "{history:?}");
        }
        for held in controllers {
            if let Held::Locked(locked) = held {
                std::mem::forget(locked);
            }
        }
    }
    machine.simulator.set_state(pid, 0);
    assert_eq!(target.ask(b'q'), 1);
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
    assert!(targets.iter_mut().all(|target| target.ask(b'q') == 1));
}
