//! Handles that are alive when the process ends: no noise, no crash, and the exit status is the program's
//! own, whether the driver or the handle goes first. Each case in a process of its own.

use std::cell::RefCell;
use std::sync::{Mutex, OnceLock};
use std::thread;

use cuda_primary_context::{PrimaryContext, PrimaryContextGuard, ReleaseError};
use simulated_libcuda::Simulator;

use crate::support::processes::{BIRTHS, in_child, run_again};
use crate::support::skips;
use crate::support::{Machine, RELEASE, machine_from};

const STATUS: i32 = 7;
/// The last handler's own status, if it does not find what the test expects.
const WRONG: i32 = 99;

static MACHINE: OnceLock<Machine> = OnceLock::new();
static HANDLES: Mutex<Vec<PrimaryContext>> = Mutex::new(Vec::new());
static ERRORS: Mutex<Vec<ReleaseError>> = Mutex::new(Vec::new());
static GUARD: OnceLock<PrimaryContextGuard> = OnceLock::new();
static EXPECTED: Mutex<Option<Traces>> = Mutex::new(None);

thread_local! {
    static OF_THREAD: RefCell<Vec<PrimaryContext>> = const { RefCell::new(Vec::new()) };
}

/// What the process leaves in the driver: the calls of release, the references to both devices, and what
/// could not be given back.
type Traces = (u64, [u32; 2], u64);

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

/// The process's driver, loaded at the first call: it ends itself by an exit handler of its own, as NVIDIA's
/// does. Handlers that were registered before it run after it, and its calls return 4 then.
fn machine() -> &'static Machine {
    MACHINE.get_or_init(|| {
        let builder = Simulator::builder().devices(2).visible_devices(None);
        let machine = machine_from(builder);
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
    let simulator = &machine.simulator;
    let releases = simulator.count(RELEASE);
    let references = [simulator.references(0), simulator.references(1)];
    let found = (releases, references, machine.driver.unreleased());
    if found != expected || simulator.underflows() > 0 {
        eprintln!("expected {expected:?}, found {found:?}");
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(WRONG) }
    }
}

extern "C" fn drop_all() {
    HANDLES.lock().unwrap().clear();
}

fn retain(ordinal: u32) -> PrimaryContext {
    machine().retain(ordinal)
}

/// A release that the driver refuses, with the handle in the error.
fn fail_to_release(ordinal: u32) -> ReleaseError {
    machine().refuse(RELEASE, 999);
    retain(ordinal).release().unwrap_err()
}

fn keep_in_a_static(ordinals: &[u32]) {
    HANDLES.lock().unwrap().extend(ordinals.iter().map(|&ordinal| retain(ordinal)));
}

fn keep_in_the_thread(ordinal: u32) {
    OF_THREAD.with_borrow_mut(|handles| handles.push(retain(ordinal)));
}

macro_rules! cases {
    ($($(#[$documentation:meta])* $test:ident: $expected:expr => $body:block)*) => {
        $(
            $(#[$documentation])*
            #[test]
            fn $test() {
                let test = concat!("process_exit::", stringify!($test));
                exits_quietly(test, $expected, || $body);
            }
        )*
    };
}

cases! {
    /// Nothing drops a static: neither a handle nor an error with the handle in it.
    handles_in_statics: Some((1, [3, 1], 0)) => {
        keep_in_a_static(&[0, 0]);
        assert!(GUARD.set(PrimaryContextGuard::retain_only(machine().device(1)).unwrap()).is_ok());
        ERRORS.lock().unwrap().push(fail_to_release(0));
    }
    handles_in_thread_locals: Some((2, [0, 0], 0)) => {
        keep_in_the_thread(0);
        keep_in_the_thread(1);
    }
    handles_in_thread_locals_after_the_drivers_end: Some((2, [1, 1], 0)) => {
        keep_in_the_thread(0);
        keep_in_the_thread(1);
        machine().simulator.deinitialize();
    }
    /// A handler that was registered before the driver's runs after it.
    handles_dropped_after_the_drivers_end: Some((2, [1, 1], 0)) => {
        at_exit(drop_all);
        keep_in_a_static(&[0, 1]);
    }
    /// A thread that goes on while the process ends meets the end of the driver in the middle.
    handles_made_and_dropped_by_a_thread_that_goes_on: None => {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let machine = machine();
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
    }
    /// A child that ends by `exit` runs the handlers that its parent registered, with its copies of the
    /// parent's handles.
    handles_of_the_parent_in_a_child_that_exits: Some((0, [1, 1], 0)) => {
        keep_in_a_static(&[0]);
        keep_in_the_thread(1);
        for birth in BIRTHS {
            let status = in_child(birth, || {
                at_exit(drop_all);
                std::process::exit(STATUS)
            });
            assert_eq!(status.code(), Some(STATUS), "{birth:?}: {status}");
        }
        // The parent's own are still there: the thread's go with the thread.
        *EXPECTED.lock().unwrap() = Some((1, [1, 0], 0));
    }
}
