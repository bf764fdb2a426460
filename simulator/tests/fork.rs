//! What a forked child finds.

mod driver;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use driver::{
    Library, POISONED, WATCHDOG_SECONDS, call_address, functions_of_13_0, in_forked_child, out,
    signal_of_forked_child,
};
use simulated_libcuda::{Knob, Simulator};

/// Checks in a child; the child's answer is 0, or the line of the first check that failed.
macro_rules! checks {
    ($($left:expr => $right:expr,)*) => {{
        $(if $left != $right { return line!(); })*
        0
    }};
}

#[test]
fn a_child_forked_before_init_is_a_fresh_process() {
    let simulator = Simulator::start(2);
    let library = Library::of(&simulator);
    let answer = in_forked_child(|| {
        checks! {
            library.count() => (3, POISONED),
            library.init() => 0,
            library.retain(1).0 => 0,
            library.state(1) => (0, 0, 1),
            library.release(1) => 0,
        }
    });
    assert_eq!(answer, 0);
    assert_eq!(library.state(0).0, 3, "the parent is as it was");
    assert_eq!(library.init(), 0);
    assert_eq!(simulator.generation(1), 0);
}

#[test]
fn a_child_forked_after_init_gets_3_from_everything_and_no_output() {
    let simulator = Simulator::start(2);
    let library = Library::of(&simulator);
    library.init();
    let (_, context) = library.retain(0);
    library.set_current(context);
    let answer = in_forked_child(|| {
        for entry in functions_of_13_0() {
            let symbol = entry.symbol;
            // These answer always, and what those for controllers answer here was not measured.
            let always = symbol.starts_with("cuGet") || symbol == "cuDriverGetVersion";
            if always || symbol.starts_with("cuCheckpointProcess") {
                continue;
            }
            let mut outputs = [[POISONED; 4]; 5];
            let words = outputs.each_mut().map(out);
            let code =
                if symbol == "cuInit" { library.init() } else { library.call(symbol, &words) };
            if code != 3 || outputs != [[POISONED; 4]; 5] {
                return line!();
            }
        }
        let mut version = 0_u32;
        checks! {
            simulator.is_initialized() => false,
            library.call("cuInit", &[1]) => 1,
            library.call("cuDriverGetVersion", &[out(&mut version)]) => 0,
            version => 13000,
            library.error_name(3).0 => 0,
            library.proc_address_v2("cuInit", 13000).0 => 0,
        }
    });
    assert_eq!(answer, 0);
    assert_eq!(library.state(0), (0, 0, 1), "the parent is as it was");
    assert_eq!(library.call("cuCtxSynchronize", &[]), 0);
}

#[test]
fn a_grandchild_is_as_poisoned_as_its_parent() {
    let simulator = Simulator::start(1);
    let library = Library::of(&simulator);
    library.init();
    assert_eq!(in_forked_child(|| in_forked_child(|| library.init())), 3);
}

#[test]
fn with_the_knob_a_child_works_as_with_drivers_of_old() {
    let simulator = Simulator::builder().devices(1).knob(Knob::ChildAfterInit, 0).start();
    let library = Library::of(&simulator);
    library.init();
    library.retain(0);
    let answer = in_forked_child(|| {
        checks! {
            library.state(0) => (0, 0, 1),
            library.release(0) => 0,
            library.state(0) => (0, 0, 0),
        }
    });
    assert_eq!(answer, 0);
    assert_eq!(library.state(0), (0, 0, 1), "its releases are its own");
}

#[test]
fn a_child_forked_after_a_failed_init_answers_as_measured() {
    for knob in [100, 304] {
        let simulator =
            Simulator::builder().devices(0).knob(Knob::ChildAfterFailedInit, knob).start();
        let library = Library::of(&simulator);
        assert_eq!(library.init(), 100);
        let child = || checks! { library.init() => knob as u32, library.count() => (3, POISONED), };
        assert_eq!(in_forked_child(child), 0);
        assert_eq!(library.init(), 100, "the parent");
    }
}

#[test]
fn a_child_forked_after_a_failed_init_dies_of_its_own() {
    let simulator = Simulator::start(0);
    let library = Library::of(&simulator);
    assert_eq!(library.init(), 100);
    assert_eq!(in_forked_child(|| library.count().0), 3, "cuInit alone is deadly");
    assert_eq!(signal_of_forked_child(|| library.init()), libc::SIGSEGV);
    assert_eq!(library.init(), 100, "the parent");
}

#[test]
fn a_child_without_an_init_of_the_parent_is_not_told_of_a_failed_one() {
    let simulator = Simulator::builder().devices(0).knob(Knob::ChildAfterFailedInit, 304).start();
    let library = Library::of(&simulator);
    assert_eq!(in_forked_child(|| library.init()), 100);
}

/// A child forked after a `cuInit` of the parent that was refused for its flags.
fn in_child_after_refused_init(answer_to_one_too_many: u64, child: impl FnOnce(Library) -> u32) {
    let simulator = Simulator::builder()
        .devices(1)
        .knob(Knob::ReleaseTooManyAfterFailedInit, answer_to_one_too_many)
        .start();
    let library = Library::of(&simulator);
    assert_eq!(library.call("cuInit", &[1]), 1);
    if answer_to_one_too_many == 0 {
        assert_eq!(signal_of_forked_child(|| child(library)), libc::SIGSEGV);
    } else {
        assert_eq!(in_forked_child(|| child(library)), 0);
    }
    assert_eq!(library.state(0).0, 3, "the parent is as it was");
    assert_eq!((library.init(), library.release(0)), (0, 201), "and not what the child became");
}

#[test]
fn one_release_too_many_after_a_refused_init_of_the_parent_kills_the_child() {
    in_child_after_refused_init(0, |library| library.init() + library.release(0));
    // Not before the last one, and not by the first generation.
    in_child_after_refused_init(0, |library| {
        let answers = checks! {
            library.count() => (3, POISONED),
            library.init() => 0,
            library.state(0) => (0, 0, 0),
            library.call("cuDevicePrimaryCtxRelease", &[library.device(0)]) => 0,
            library.retain(0).0 => 0,
            library.release(0) => 0,
        };
        if answers == 0 { library.release(0) } else { answers }
    });
}

#[test]
fn with_the_knob_one_release_too_many_after_a_refused_init_is_answered() {
    in_child_after_refused_init(201, |library| {
        checks! {
            library.init() => 0,
            library.release(0) => 201,
            library.retain(0).0 => 0,
            library.release(0) => 0,
            library.release(0) => 201,
        }
    });
}

/// Runs a closure in a child of a bare `clone`, and returns the low byte of its answer.
fn in_bare_clone(child: impl FnOnce() -> u32) -> u32 {
    // SAFETY: clone with no flags but the signal is fork without the C library's handlers; the
    // child calls the driver, by functions that were found before, and leaves through _exit.
    let process = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    assert_ne!(process, -1);
    if process == 0 {
        // SAFETY: no preconditions; the signal ends the child.
        unsafe { libc::alarm(WATCHDOG_SECONDS) };
        let answer = child() as i32;
        // SAFETY: runs nothing of the parent's.
        unsafe { libc::_exit(answer) }
    }
    let mut status = 0;
    // SAFETY: our own child, and a place for its status.
    unsafe { libc::waitpid(process as i32, &raw mut status, 0) };
    assert!(libc::WIFEXITED(status), "the child ended by signal {}", libc::WTERMSIG(status));
    libc::WEXITSTATUS(status) as u32
}

#[test]
fn a_child_of_a_bare_clone_goes_on_until_it_calls_init() {
    let simulator = Simulator::start(1);
    let library = Library::of(&simulator);
    library.init();
    let [initialize, retain, release] =
        ["cuInit", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2"]
            .map(|symbol| library.address(symbol));
    let device = library.device(0);
    let answer = in_bare_clone(|| {
        let mut context = 0_usize;
        let words = [out(&mut context), device];
        checks! {
            call_address(retain, &words) => 0,
            call_address(release, &[device]) => 0,
            call_address(initialize, &[0]) => 3,
            call_address(retain, &words) => 3,
            call_address(initialize, &[0]) => 3,
        }
    });
    assert_eq!(answer, 0);
    assert_eq!(simulator.generation(0), 0, "the child has its own copy of that state");
    simulator.set_knob(Knob::ChildOfBareClone, 3);
    assert_eq!(in_bare_clone(|| call_address(release, &[device])), 3);
    assert_eq!(in_bare_clone(|| call_address(initialize, &[0])), 3);
    assert_eq!(library.retain(0).0, 0, "the parent is as it was");
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
        for _ in 0..200 {
            assert_eq!(in_forked_child(|| library.count().0), 3);
        }
        assert_eq!(in_forked_child(|| library.init()), 0, "uninitialised: a fresh process");
        library.init();
        for _ in 0..200 {
            assert_eq!(in_forked_child(|| library.init()), 3);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(library.count(), (0, 2));
}

/// The thread sleeps for two seconds; on a machine so slow that a child needs as long to answer, the
/// order of events shows nothing, and the round is repeated.
#[test]
fn a_teardown_that_sleeps_with_the_lock_does_not_stop_the_child() {
    for _ in 0..5 {
        let simulator = Simulator::builder()
            .devices(1)
            .knob(Knob::RetainMicroseconds, 2_000_000)
            .knob(Knob::DelayHoldsLock, 1)
            .start();
        let library = Library::of(&simulator);
        library.init();
        let done = AtomicBool::new(false);
        let answered_meanwhile = thread::scope(|scope| {
            scope.spawn(|| {
                library.retain(0);
                done.store(true, Ordering::SeqCst);
            });
            thread::sleep(std::time::Duration::from_millis(50));
            assert_eq!(in_forked_child(|| library.count().0), 3);
            !done.load(Ordering::SeqCst)
        });
        if answered_meanwhile {
            return;
        }
    }
    panic!("the child waits for the lock");
}

#[test]
fn a_child_that_drops_the_simulator_leaves_the_parents_files_alone() {
    let simulator = Simulator::start(1);
    let path = simulator.path().to_owned();
    let copy = std::ptr::from_ref(&simulator);
    let answer = in_forked_child(|| {
        // SAFETY: the child owns its copy of the process's memory, and leaves through _exit before
        // the original would be dropped again.
        drop(unsafe { copy.read() });
        0
    });
    assert_eq!(answer, 0);
    assert!(path.exists());
    drop(simulator);
    assert!(!path.exists());
    assert!(!path.parent().unwrap().exists());
}
