//! Which process an id stands for, and ids that stand for none.

use std::io;

use cuda_primary_context::checkpoint::CheckpointError;
use simulated_libcuda::Fault;

use crate::support::namespaces::{has_empty_folder_at, makes_first_processes};
use crate::support::processes::{in_own_process, this_test};
use crate::support::skips;
use crate::support::targets::{Child, SharedMachine, kill_and_wait};
use crate::{LIMIT, code, targets};

#[test]
fn processes_without_cuda_and_dead_ones_are_distinguished() {
    let machine = SharedMachine::new();
    let bare = Child::start(|| 0);
    let process = machine.open(bare.pid()).unwrap();
    let error = process.state().unwrap_err();
    assert!(error.is_without_cuda());
    assert!(error.to_string().contains("has not initialised CUDA"), "{error}");
    let error = process.lock(LIMIT).unwrap_err();
    assert_eq!((code(&error), error.found().state()), (3, None));

    let mut target = machine.target();
    let pid = target.pid();
    let (process, locked) =
        (machine.open(pid).unwrap(), machine.open(pid).unwrap().lock(LIMIT).unwrap());
    target.kill();
    let calls = machine.simulator.total_calls();
    let ended =
        |error: &CheckpointError| assert_eq!((error.kind(), error.pid()), ("ended", Some(pid)));
    ended(&process.state().unwrap_err());
    let error = locked.checkpoint().unwrap_err();
    assert_eq!(error.found().state(), None);
    ended(error.error());
    drop(error);
    assert_eq!(machine.open(pid).unwrap_err().kind(), "no_such_process");
    assert_eq!(machine.simulator.total_calls(), calls, "no driver call for a dead process");
}

#[test]
fn a_forked_child_of_the_controller_can_do_nothing_with_its_handles() {
    let machine = SharedMachine::new();
    let target = machine.target();
    let other = machine.target();
    let locked = machine.open(target.pid()).unwrap().lock(LIMIT).unwrap();
    let process = machine.open(other.pid()).unwrap();
    let mut handles = Some((locked, process));
    let simulator = &machine.simulator;
    let mut child = Child::start(|| {
        let calls = simulator.total_calls();
        let (locked, process) = handles.take().unwrap();
        let pid = process.pid();
        let error = process.state().unwrap_err();
        assert_eq!((error.kind(), error.pid()), ("forked_controller", Some(pid)));
        assert_eq!(process.lock(LIMIT).unwrap_err().error(), &error);
        drop(locked);
        assert_eq!(simulator.total_calls(), calls);
        1
    });
    assert_eq!(child.ask(), 1);
    assert_eq!(machine.state(target.pid()), 1, "the controller's lock holds");
    drop(handles);
    assert_eq!(machine.state(target.pid()), 0);
}

#[test]
fn a_failure_for_a_process_that_ended_meanwhile_says_so() {
    for code in [3, 304] {
        let machine = SharedMachine::new();
        let mut target = machine.target();
        let pid = target.pid();
        let process = machine.open(pid).unwrap();
        target.is_killed_by_others();
        machine.simulator.before_call("cuCheckpointProcessLock", 1, move || kill_and_wait(pid));
        machine.simulator.inject(Fault::of("cuCheckpointProcessLock", 1).code(code).refused());
        let error = process.lock(LIMIT).unwrap_err();
        assert_eq!((error.error().kind(), error.error().code()), ("ended", None), "{code}");
    }
}

/// A child that sleeps, with the id of a process that has ended.
fn process_with_id(pid: u32) -> io::Result<Child> {
    let chosen = [pid as libc::pid_t];
    // SAFETY: integers alone, for which zero is a value.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.set_tid = chosen.as_ptr() as u64;
    arguments.set_tid_size = 1;
    let size = size_of::<libc::clone_args>();
    // SAFETY: a fork with a chosen id; the child sleeps and ends.
    let made = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size) };
    if made == 0 {
        // SAFETY: no preconditions.
        unsafe { libc::sleep(60) };
        // SAFETY: runs nothing of the parent's.
        unsafe { libc::_exit(0) }
    }
    if made < 0 { Err(io::Error::last_os_error()) } else { Ok(Child::adopt(made as libc::pid_t)) }
}

/// As with `hidepid`, and in some containers.
#[test]
fn processes_that_proc_does_not_show_are_known_by_descriptors() {
    in_own_process(|| {
        let machine = SharedMachine::new();
        let mut target = machine.target();
        let pid = target.pid();
        if !has_empty_folder_at(c"/proc") {
            return;
        }
        let process = machine.open(pid).unwrap();
        // The simulated driver knows nobody without `/proc`, which is another error.
        assert_eq!(process.state().unwrap_err().kind(), "driver");
        target.kill();
        assert_eq!(process.state().unwrap_err().kind(), "ended");
        assert_eq!(machine.open(pid).unwrap_err().kind(), "no_such_process");
        // A successor with the same id is another process.
        match process_with_id(pid) {
            Ok(mut successor) => {
                assert_eq!(machine.open(pid).unwrap().pid(), pid);
                assert_eq!(process.state().unwrap_err().kind(), "ended");
                successor.kill();
            }
            Err(error) => {
                skips::skip("set-tid", &this_test(), &format!("no process of a chosen id: {error}"))
            }
        }
    });
}

/// As for a process in a container.
#[test]
fn a_process_in_a_pid_namespace_is_named_by_both_ids() {
    in_own_process(|| {
        let machine = SharedMachine::new();
        if !makes_first_processes() {
            return;
        }
        let bare = Child::start(|| 0);
        let error = machine.open(bare.pid()).unwrap().state().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("It is process 1 in a PID namespace of its own"), "{text}");
        let own = machine.open(std::process::id()).unwrap().state();
        assert!(!own.is_err_and(|error| error.to_string().contains("namespace")));
    });
}

#[test]
fn ids_of_threads_and_of_nobody_are_refused_before_any_call() {
    let machine = SharedMachine::new();
    let (_targets, [pid]) = targets::<1>(&machine);
    let calls = machine.simulator.total_calls();
    for number in [0, (1 << 22) + 1, u32::MAX] {
        let error = machine.open(number).unwrap_err();
        assert_eq!((error.kind(), error.pid()), ("not_a_process_id", Some(number)));
        assert!(error.to_string().starts_with(&format!("{number} is not a process id.")));
    }
    std::thread::scope(|scope| {
        // SAFETY: no preconditions.
        let thread = scope.spawn(|| machine.open(unsafe { libc::gettid() } as u32).unwrap_err());
        let error = thread.join().expect("it ends");
        let own = std::process::id();
        assert!(matches!(error, CheckpointError::ThreadId { process, .. } if process == own));
        assert!(error.to_string().ends_with(&format!("Pass {own} instead.")), "{error}");
    });
    assert_eq!(machine.simulator.total_calls(), calls);
    drop(machine.open(pid).unwrap().lock(LIMIT).unwrap());
}

#[test]
fn processes_of_other_users_are_refused_before_any_call() {
    in_own_process(|| {
        let machine = SharedMachine::new();
        let target = machine.target();
        machine.open(target.pid()).unwrap();
        let calls = machine.simulator.total_calls();
        // SAFETY: takes plain numbers; this process ends with the test.
        if unsafe { libc::setresuid(65534, 65534, 65534) } != 0 {
            return skips::skip("root", &this_test(), "only root can become another user");
        }
        let result = machine.open(target.pid());
        let made = machine.simulator.total_calls() - calls;
        let kind = result.as_ref().map_err(|error| (error.kind(), error.pid()));
        let is_refused = kind.err() == Some(("other_user", Some(target.pid()))) && made == 0;
        if !is_refused {
            eprintln!("{result:?} after {made} calls");
        }
        // SAFETY: runs no destructor: this user may not kill the target, and would wait for it.
        unsafe { libc::_exit(i32::from(!is_refused)) }
    });
}
