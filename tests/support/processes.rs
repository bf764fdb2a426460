//! Tests that fork, exit or poison their process run in one of their own.

use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use super::skips::pass_on;

/// Runs `body`, a closure of the test, in a process of its own: this test binary again, with this one test on
/// its main thread and no other thread beside it.
pub fn in_own_process<F: FnOnce()>(body: F) {
    in_process_of(test_of(&body), body);
}

/// As [`in_own_process`], for the test of this name.
pub fn in_process_of(test: &str, body: impl FnOnce()) {
    succeeded(test, run_again(test, body));
}

/// The whole name of the test in which this closure is written, with the modules.
pub fn test_of<F>(_: &F) -> &'static str {
    let name = std::any::type_name::<F>();
    let (_, name) = name.split_once("::").expect("the name begins with the program's");
    name.strip_suffix("::{{closure}}").expect("a closure of a test")
}

/// The test whose own process this is.
pub fn this_test() -> String {
    env::var(MARK).expect("it runs in a process of its own")
}

/// As [`in_process_of`], with what that process left; nothing in that process itself.
pub fn run_again(test: &str, body: impl FnOnce()) -> Option<Output> {
    run_prepared(test, |_| {}, body)
}

/// This test program, to run one test on its main thread.
pub fn again(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("the test program has a path"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command
}

/// Longer than any such test takes, under a memory checker as well.
const WATCHDOG_SECONDS: u32 = 600;

/// Says which test runs in this process, where it is one of a test's own.
const MARK: &str = "TEST_IN_OWN_PROCESS";
/// Says which process made this one.
const MADE_BY: &str = "TEST_MADE_BY";

/// A folder that a test's prepared process has in common with the test, and with no other run of it; it
/// goes with that process.
pub fn folder(test: &str) -> PathBuf {
    let made_by = env::var(MADE_BY).unwrap_or_else(|_| std::process::id().to_string());
    // It may become a part of a search path, in which a colon would end it.
    let name = test.replace("::", "-");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{made_by}"))
}

fn run_prepared(
    test: &str,
    prepare: impl FnOnce(&mut Command),
    body: impl FnOnce(),
) -> Option<Output> {
    if env::var_os(MARK).is_some_and(|running| running == test) {
        // SAFETY: no preconditions; the signal ends this process, where something waits for ever.
        unsafe { libc::alarm(WATCHDOG_SECONDS) };
        body();
        return None;
    }
    let mut command = again(test);
    command.env(MARK, test).env(MADE_BY, std::process::id().to_string());
    prepare(&mut command);
    Some(command.output().expect("the test binary runs again"))
}

/// As [`in_process_of`], of a command that is prepared: with an environment that counts before a
/// program's first instruction, say. `body` runs in that process, `prepare` in the test's own.
pub fn in_prepared_process(test: &str, prepare: impl FnOnce(&mut Command), body: impl FnOnce()) {
    let prepare = |command: &mut Command| {
        fs::create_dir_all(folder(test)).expect("a folder can be made");
        prepare(command);
    };
    let output = run_prepared(test, prepare, body);
    if output.is_some() {
        fs::remove_dir_all(folder(test)).expect("the folder was made above");
    }
    succeeded(test, output);
}

fn succeeded(test: &str, output: Option<Output>) {
    if let Some(output) = output {
        let errors = pass_on(&output.stderr);
        let said = String::from_utf8_lossy(&output.stdout);
        // Of a name that no test has, none runs, and that would be a success.
        let ran = said.contains("\nrunning 1 test\n");
        assert!(
            ran && output.status.success(),
            "{test} in a process of its own: {}\n{said}{errors}",
            output.status,
        );
    }
}

/// How a child is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// `fork`, which runs the handlers of `pthread_atfork`.
    Fork,
    /// A bare `clone`, which runs none.
    Clone,
}

pub const BIRTHS: [Birth; 2] = [Birth::Fork, Birth::Clone];

pub fn in_each_child(body: impl Fn()) {
    BIRTHS.into_iter().for_each(|birth| succeeds_in_child(birth, &body));
}

/// Runs `body` in a child, which must succeed.
pub fn succeeds_in_child(birth: Birth, body: impl FnOnce()) {
    let status = in_child(birth, || {
        body();
        0
    });
    assert!(status.success(), "{birth:?}: {status}");
}

/// Runs `body` in a child of this process; its result is the child's exit status, and a panic is
/// 101. A child that hangs is ended by SIGALRM after two minutes, and that is its status.
pub fn in_child(birth: Birth, body: impl FnOnce() -> i32) -> ExitStatus {
    let child = match birth {
        // SAFETY: the child ends by _exit. Where the caller's process has no other thread at work it is as
        // able as its parent; where it has, `body` allocates nothing and waits for no lock of a thread
        // that the child does not have.
        Birth::Fork => unsafe { libc::fork() },
        Birth::Clone => {
            let (flags, none) = (libc::SIGCHLD, 0);
            // SAFETY: without a new stack and without shared memory, clone is a fork.
            let child = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
            child as libc::pid_t
        }
    };
    assert!(child >= 0, "a child is made");
    if child == 0 {
        // SAFETY: no preconditions; the signal ends the child.
        unsafe { libc::alarm(120) };
        let body = std::panic::AssertUnwindSafe(body);
        let status = std::panic::catch_unwind(body).unwrap_or(101);
        // SAFETY: ends the child at once, without handlers or destructors of the parent's.
        unsafe { libc::_exit(status) }
    }
    let mut status = 0;
    // SAFETY: the status is an int of ours, the child is this process's and not waited for yet.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    ExitStatus::from_raw(status)
}
