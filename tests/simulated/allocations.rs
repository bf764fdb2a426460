//! Heap allocations of a run: none if no other device is active, three otherwise, however many devices there are.

use std::hint::black_box;

use crate::allocator::ALLOCATIONS;
use crate::support::machine;
use cuda_primary_context::{PrimaryContextGuard, StrayRelease};

/// What an action returns, and how often it allocated.
fn counted<T>(action: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.get();
    let result = black_box(action());
    (result, ALLOCATIONS.get() - before)
}

/// The findings of the report, their lines and their calls.
const OF_A_REPORT: usize = 3;

/// The last device is kept, and does not count.
#[test]
fn a_run_allocates_nothing_unless_something_is_stray() {
    for devices in [2, 17, 64] {
        let kept = devices - 1;
        for (strays, expected) in [
            (vec![], 0),
            (vec![kept], 0),
            (vec![0], OF_A_REPORT),
            ((0..devices).collect(), OF_A_REPORT),
        ] {
            let machine = machine(devices);
            let stray = || {
                strays.iter().for_each(|&ordinal| machine.simulator.retain_by_others(ordinal, 1))
            };
            stray();
            // The thread is taken off a stray's context, too.
            machine.simulator.set_current(strays.first().copied());
            let (guard, allocations) =
                counted(|| PrimaryContextGuard::retain_only(machine.device(kept)).unwrap());
            assert_eq!(allocations, expected, "{devices} devices, stray: {strays:?}");
            drop(guard);
            machine.simulator.set_current(None);
            machine.clear(kept, 0);
            stray();
            let policy = StrayRelease::new();
            let (_, allocations) = counted(|| policy.run(machine.driver).unwrap());
            assert_eq!(allocations, if strays.is_empty() { 0 } else { OF_A_REPORT });
        }
    }
}
