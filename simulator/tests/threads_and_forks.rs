//! Threads, forks and stacks: what the driver keeps for each thread and each process.

mod driver;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use driver::{Library, in_forked_child, out, started};
use simulated_libcuda::{Knob, Simulator};

#[test]
fn a_stack_of_256_keeps_its_order_and_every_thread_has_its_own() {
    let (simulator, library) = started(7);
    let contexts: Vec<_> = (0..7).map(|device| library.retain(device).1 as usize).collect();
    for depth in 0..256 {
        assert_eq!(library.call("cuCtxPushCurrent_v2", &[contexts[depth % 7]]), 0);
    }
    assert_eq!(library.call("cuCtxPushCurrent_v2", &[contexts[0]]), 2, "no room");
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(simulator.stack().is_empty());
            simulator.set_current(Some(0));
            assert_eq!(simulator.stack().len(), 1);
        });
    });
    assert_eq!(simulator.stack().len(), 256);
    for depth in (0..256).rev() {
        let mut popped = 0_usize;
        assert_eq!(library.call("cuCtxPopCurrent_v2", &[out(&mut popped)]), 0);
        assert_eq!(popped, contexts[depth % 7]);
    }
}

#[test]
fn retains_that_race_activate_once() {
    let simulator = Simulator::builder().knob(Knob::RetainMicroseconds, 2000).start();
    let library = Library::of(&simulator);
    library.init();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(move || assert_eq!(library.retain(0).0, 0));
        }
    });
    assert_eq!((simulator.references(0), simulator.generation(0)), (16, 1));
}

#[test]
fn a_lock_that_another_thread_holds_at_the_fork_does_not_stop_the_child() {
    let simulator = Simulator::start(2);
    let library = Library::of(&simulator);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    library.count();
                }
            });
        }
        for _ in 0..100 {
            assert_eq!(in_forked_child(|| library.count().0), 3);
        }
        assert_eq!(in_forked_child(|| library.init()), 0, "uninitialised: a fresh process");
        library.init();
        for _ in 0..100 {
            assert_eq!(in_forked_child(|| library.init()), 3);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(library.count(), (0, 2));
}

#[test]
fn a_child_that_drops_the_simulator_leaves_the_parents_files_alone() {
    let simulator = Simulator::start(1);
    let path = simulator.path().to_owned();
    let copy = std::ptr::from_ref(&simulator);
    let code = in_forked_child(|| {
        // SAFETY: the child owns its copy of the process's memory, and leaves through _exit before
        // the original would be dropped again.
        drop(unsafe { copy.read() });
        0
    });
    assert_eq!(code, 0);
    assert!(path.exists());
    drop(simulator);
    assert!(!path.exists());
    assert!(!path.parent().unwrap().exists());
}
