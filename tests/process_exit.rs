//! Handles that are alive when the process ends: no noise, no crash, and the exit status is the
//! program's own, whether the driver or the handle goes first. Each case in a process of its own.

mod support;

use std::cell::RefCell;
use std::sync::{Mutex, OnceLock};
use std::thread;

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{
    Outcome, PrimaryContext, PrimaryContextGuard, ReleaseError, StrayRelease,
};
use simulated_libcuda::{Fault, Knob, Simulator};
use support::processes::{births, in_child, run_again};
use support::skips;
use support::{Machine, machine_from};

const STATUS: i32 = 7;
/// The last handler's own status, where it does not find what the test expects.
const WRONG: i32 = 99;

static MACHINE: OnceLock<Machine> = OnceLock::new();
static HANDLES: Mutex<Vec<PrimaryContext>> = Mutex::new(Vec::new());
static ERRORS: Mutex<Vec<ReleaseError>> = Mutex::new(Vec::new());
static GUARD: OnceLock<PrimaryContextGuard> = OnceLock::new();
/// Leaked, and still reachable, so that a leak detector has nothing to say.
static LEAKED: OnceLock<&'static PrimaryContext> = OnceLock::new();
static EXPECTED: Mutex<Option<Traces>> = Mutex::new(None);

thread_local! {
    static OF_THREAD: RefCell<Vec<PrimaryContext>> = const { RefCell::new(Vec::new()) };
}

/// What the process leaves behind in the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Traces {
    releases: u64,
    references: Vec<u32>,
    underflows: u64,
    unreleased: u64,
}

fn traces(releases: u64, references: [u32; 2]) -> Traces {
    Traces { releases, references: references.into(), underflows: 0, unreleased: 0 }
}

/// Runs `body` in a process of its own, which then exits.
fn exits_quietly(test: &str, expected: Option<Traces>, body: impl FnOnce()) {
    let output = run_again(test, || {
        *EXPECTED.lock().unwrap() = expected;
        // Registered before everything else, and so run after everything else.
        at_exit(look_back);
        body();
        std::process::exit(STATUS);
    });
    let Some(output) = output else { return };
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), skips::pass_on(&output.stderr));
    assert_eq!(output.status.code(), Some(STATUS), "{}\n{stdout}{stderr}", output.status);
    assert_eq!(stdout, format!("\nrunning 1 test\ntest {test} ... "));
    assert_eq!(stderr, "");
}

/// The process's driver, loaded at the first call: it ends itself by an exit handler of its own, as
/// NVIDIA's does. Handlers that were registered before run after it, and are answered 4.
fn machine() -> &'static Machine {
    MACHINE.get_or_init(|| {
        let builder = Simulator::builder().devices(2).visible_devices(None);
        let machine = machine_from(builder.knob(Knob::DeinitializeAtExit, 1));
        // Nothing drops a static, and the library is loaded already.
        std::fs::remove_dir_all(machine.simulator.path().parent().unwrap()).unwrap();
        machine
    })
}

fn at_exit(handler: extern "C" fn()) {
    // SAFETY: the handlers here take nothing and do not unwind.
    assert_eq!(unsafe { libc::atexit(handler) }, 0);
}

extern "C" fn look_back() {
    let Some(machine) = MACHINE.get() else { return };
    let Some(expected) = EXPECTED.lock().unwrap().take() else { return };
    let found = Traces {
        releases: machine.simulator.count("cuDevicePrimaryCtxRelease_v2"),
        references: machine.references(),
        underflows: machine.simulator.underflows(),
        unreleased: machine.driver.unreleased(),
    };
    if found != expected {
        eprintln!("expected {expected:?}, found {found:?}");
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(WRONG) }
    }
}

extern "C" fn drop_handles() {
    HANDLES.lock().unwrap().clear();
}

extern "C" fn drop_errors() {
    ERRORS.lock().unwrap().clear();
}

/// Releases again what an error handed back. The answer is the driver's, whatever that is by now.
extern "C" fn release_again() {
    for error in ERRORS.lock().unwrap().drain(..) {
        let (_, handle) = error.into_parts();
        drop(handle.map(PrimaryContext::release));
    }
}

/// A sweep when the driver has ended: every device's question is refused.
extern "C" fn sweep() {
    let report = StrayRelease::new().run(MACHINE.get().unwrap().driver).unwrap();
    let is_refused = |outcome: &Outcome| match outcome {
        Outcome::Failed { error, releases: 0, active: None, .. } => {
            error.code() == Some(CUresult::CUDA_ERROR_DEINITIALIZED)
        }
        _ => false,
    };
    if !report.devices().all(|line| is_refused(line.outcome())) {
        eprintln!("{report}");
    }
}

/// A release that the driver refuses, with the handle in the error.
fn fail_to_release(machine: &Machine, ordinal: u32) -> ReleaseError {
    let context = retain(machine, ordinal);
    let fault = Fault::of("cuDevicePrimaryCtxRelease_v2", 1).code(999).refused().once();
    machine.simulator.inject(fault);
    context.release().unwrap_err()
}

fn retain(machine: &Machine, ordinal: u32) -> PrimaryContext {
    PrimaryContext::retain(machine.device(ordinal)).unwrap()
}

#[test]
fn handles_in_statics() {
    exits_quietly("handles_in_statics", Some(traces(0, [2, 1])), || {
        let machine = machine();
        HANDLES.lock().unwrap().extend([retain(machine, 0), retain(machine, 0)]);
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        assert!(GUARD.set(guard).is_ok());
    });
}

/// Nothing drops a static: neither the error nor the handle in it.
#[test]
fn errors_in_statics() {
    exits_quietly("errors_in_statics", Some(traces(1, [1, 0])), || {
        ERRORS.lock().unwrap().push(fail_to_release(machine(), 0));
    });
}

/// Giving up calls nothing, before the driver's end or after it.
#[test]
fn errors_of_which_one_outlives_the_driver() {
    let expected = Traces { unreleased: 2, ..traces(2, [1, 1]) };
    exits_quietly("errors_of_which_one_outlives_the_driver", Some(expected), || {
        at_exit(drop_errors);
        let machine = machine();
        drop(fail_to_release(machine, 0));
        ERRORS.lock().unwrap().push(fail_to_release(machine, 1));
    });
}

/// What an error handed back is released by a handler, and the driver's end is in between.
#[test]
fn handles_of_errors_released_after_the_drivers_end() {
    let test = "handles_of_errors_released_after_the_drivers_end";
    exits_quietly(test, Some(traces(2, [1, 0])), || {
        at_exit(release_again);
        ERRORS.lock().unwrap().push(fail_to_release(machine(), 0));
    });
}

#[test]
fn a_sweep_after_the_drivers_end() {
    exits_quietly("a_sweep_after_the_drivers_end", Some(traces(0, [1, 1])), || {
        at_exit(sweep);
        machine().stray(&[1, 1]);
    });
}

#[test]
fn handles_in_thread_locals() {
    exits_quietly("handles_in_thread_locals", Some(traces(2, [0, 0])), || {
        let machine = machine();
        OF_THREAD.with_borrow_mut(|handles| handles.extend([0, 1].map(|o| retain(machine, o))));
    });
}

#[test]
fn handles_in_thread_locals_after_the_drivers_end() {
    let expected = Some(traces(2, [1, 1]));
    exits_quietly("handles_in_thread_locals_after_the_drivers_end", expected, || {
        let machine = machine();
        OF_THREAD.with_borrow_mut(|handles| handles.extend([0, 1].map(|o| retain(machine, o))));
        machine.simulator.deinitialize();
    });
}

#[test]
fn handles_in_thread_locals_of_other_threads() {
    let expected = Some(traces(1, [0, 1]));
    exits_quietly("handles_in_thread_locals_of_other_threads", expected, || {
        let machine = machine();
        let keep = |ordinal| OF_THREAD.with_borrow_mut(|all| all.push(retain(machine, ordinal)));
        thread::spawn(move || keep(0)).join().unwrap();
        let (kept, is_kept) = std::sync::mpsc::channel();
        thread::spawn(move || {
            keep(1);
            kept.send(()).unwrap();
            loop {
                thread::park();
            }
        });
        is_kept.recv().unwrap();
    });
}

#[test]
fn leaked_handles() {
    exits_quietly("leaked_handles", Some(traces(0, [2, 1])), || {
        let machine = machine();
        assert!(!retain(machine, 0).into_raw().is_null());
        std::mem::forget(retain(machine, 0));
        LEAKED.get_or_init(|| Box::leak(Box::new(retain(machine, 1))));
    });
}

/// NVIDIA's driver ends itself by an exit handler of its own; one that was registered before it runs
/// after it, and is answered 4.
#[test]
fn handles_dropped_by_a_handler_that_runs_after_the_drivers() {
    let test = "handles_dropped_by_a_handler_that_runs_after_the_drivers";
    exits_quietly(test, Some(traces(2, [1, 1])), || {
        at_exit(drop_handles);
        let machine = machine();
        HANDLES.lock().unwrap().extend([retain(machine, 0), retain(machine, 1)]);
    });
}

#[test]
fn handles_dropped_by_a_handler_that_runs_before_the_drivers() {
    let test = "handles_dropped_by_a_handler_that_runs_before_the_drivers";
    exits_quietly(test, Some(traces(2, [0, 0])), || {
        let machine = machine();
        at_exit(drop_handles);
        HANDLES.lock().unwrap().extend([retain(machine, 0), retain(machine, 1)]);
    });
}

#[test]
fn handles_on_the_stack_of_a_thread_that_panics() {
    let test = "handles_on_the_stack_of_a_thread_that_panics";
    exits_quietly(test, Some(traces(2, [0, 0])), || {
        let machine = machine();
        std::panic::set_hook(Box::new(|_| {}));
        let panic = thread::spawn(move || {
            let _context = retain(machine, 0);
            let _guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
            panic!("of the program's own making");
        });
        assert!(panic.join().is_err());
    });
}

/// A thread that goes on while the process ends meets the end of the driver in the middle.
#[test]
fn handles_made_and_dropped_by_a_thread_that_goes_on() {
    exits_quietly("handles_made_and_dropped_by_a_thread_that_goes_on", None, || {
        let machine = machine();
        let (begun, has_begun) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut begun = Some(begun);
            loop {
                // Refused with 4 once the driver has ended.
                let context = PrimaryContext::retain(machine.device(0));
                drop(PrimaryContextGuard::retain_only(machine.device(1)));
                drop(context);
                begun.take().map(|begun| begun.send(()));
            }
        });
        has_begun.recv().unwrap();
    });
}

/// A child that ends by `exit` runs the handlers that its parent registered, with its copies of the
/// parent's handles.
#[test]
fn handles_of_the_parent_in_a_child_that_exits() {
    let test = "handles_of_the_parent_in_a_child_that_exits";
    exits_quietly(test, Some(traces(0, [1, 1])), || {
        let machine = machine();
        HANDLES.lock().unwrap().push(retain(machine, 0));
        OF_THREAD.with_borrow_mut(|handles| handles.push(retain(machine, 1)));
        for &birth in births() {
            let status = in_child(birth, || {
                at_exit(drop_handles);
                std::process::exit(STATUS)
            });
            assert_eq!(status.code(), Some(STATUS), "{birth:?}: {status}");
        }
        // The parent's own are still there: the thread's go with the thread.
        *EXPECTED.lock().unwrap() = Some(traces(1, [1, 0]));
    });
}
