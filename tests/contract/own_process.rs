//! A check in a process of its own: a crash is a result, and what it leaves behind harms no other.

use std::env;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Names the check that a process of this test runs.
const CHECK: &str = "CONTRACT_CHECK";

/// How long a check may take: a context on a real device takes a tenth of a second to make.
const PATIENCE: Duration = Duration::from_secs(60);

/// The check that this process was started for, if it was.
pub fn check_of_this_process() -> Option<String> {
    env::var(CHECK).ok()
}

/// Runs this test again for one check; what it wrote to standard error, or why it failed.
pub fn in_own_process(
    test: &str,
    check: &str,
    prepare: impl FnOnce(&mut Command),
) -> Result<String, String> {
    let mut command = Command::new(env::current_exe().expect("the test binary has a path"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHECK, check);
    prepare(&mut command);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test binary runs again");
    let process = child.id() as libc::pid_t;
    let (ended, has_ended) = mpsc::channel();
    let waiting = thread::spawn(move || {
        let output = child.wait_with_output();
        // A time-out may have come first.
        let _ = ended.send(());
        output
    });
    let hung = has_ended.recv_timeout(PATIENCE).is_err();
    if hung {
        // SAFETY: the process is this one's child, and not waited for yet.
        unsafe { libc::kill(process, libc::SIGKILL) };
    }
    let output = waiting.join().expect("no panic").expect("the process can be waited for");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(said),
        false if hung => Err(format!("its process hung\n{said}")),
        false => Err(format!("its process ended with {}\n{said}", output.status)),
    }
}
