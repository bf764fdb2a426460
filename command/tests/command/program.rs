//! The program is run as without the command: its streams, its signals, its exit status.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::limit;
use crate::programs::{CLIENT, has_python, installed_driver};
use crate::skips::skip;
use crate::traced::{Trace, Traced};

/// The command, up to the program.
const TRACE: [&str; 5] =
    [env!("CARGO_BIN_EXE_cuda-contexts"), "trace", "--driver", "simulated", "--"];

/// Starts it, and waits until the program says that it is ready.
fn start(trace: &mut Trace) -> Child {
    let command = trace.command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    child
}

fn send(child: &Child, signal: libc::c_int) {
    // SAFETY: the child was not waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, signal) };
}

/// How a program ends that is sent a signal through the command.
fn sent(words: &str, signal: libc::c_int) -> Traced {
    let mut trace = Trace::new(&[]).client(words);
    let as_a_rule = move || {
        // SAFETY: no handler is set, which may be done between fork and exec.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        Ok(())
    };
    // One that is ignored here, as SIGHUP is under nohup, would be in the program.
    // SAFETY: the closure calls only what may be called between fork and exec.
    unsafe { trace.command.pre_exec(as_a_rule) };
    let child = start(&mut trace);
    send(&child, signal);
    let output = limit::rest(child);
    trace.ended(output)
}

#[test]
fn the_exit_status_is_the_program_s() {
    for words in ["exit:0", "exit:7", "init exit:7", "init retain:0 exit:255", "_exit:9"] {
        let code = words.rsplit(':').next().unwrap().parse().unwrap();
        Trace::new(&[]).client(words).run().ended_with(code);
    }
}

#[test]
fn a_program_that_dies_of_a_signal_takes_the_command_with_it() {
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGSEGV, libc::SIGPIPE, libc::SIGUSR1] {
        let traced = Trace::new(&[]).client(&format!("init retain:0 raise:{signal}")).run();
        assert_eq!(traced.status.signal(), Some(signal));
        assert!(traced.left.is_empty(), "{:?}", traced.left);
        // What it did before is recorded.
        assert_eq!(traced.end()["devices"][0]["holders"][0]["references"], 1);
        let (status, ended_by) = (&traced.end()["status"], &traced.end()["signal"]);
        assert_eq!((status, ended_by), (&Value::Null, &signal.into()));
    }
}

#[test]
fn a_signal_that_was_blocked_and_came_before_does_not_end_the_command() {
    let client = CLIENT.to_str().unwrap();
    let mut launcher = Command::new(client);
    // The program is started with the mask, but without the pending signal.
    launcher.args(["block:5", "raise:5", "launch"]).args(TRACE);
    let output = limit::output(launcher.args([client, "init", "raise:15"]));
    assert_eq!(output.status.signal(), Some(libc::SIGTERM), "{output:?}");
}

#[test]
fn signals_to_the_command_are_the_program_s() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR2] {
        let caught = sent(&format!("catch:{signal} init print:ready sleep:60000"), signal);
        caught.ended_with(40 + signal);
        let died = sent("init print:ready sleep:60000", signal);
        assert_eq!(died.status.signal(), Some(signal));
        assert!(died.left.is_empty(), "{:?}", died.left);
        died.says("The program was killed by SIG");
    }
    let others = [libc::SIGUSR1, libc::SIGALRM, libc::SIGCONT, libc::SIGWINCH];
    for signal in others.into_iter().chain([libc::SIGXCPU, libc::SIGPROF, libc::SIGVTALRM]) {
        let caught = sent(&format!("catch:{signal} init print:ready sleep:5000"), signal);
        caught.ended_with(40 + signal);
    }
}

#[test]
fn an_alarm_that_was_set_before_the_command_is_the_program_s() {
    let client = CLIENT.to_str().unwrap();
    let alarm = format!("catch:{}", libc::SIGALRM);
    let mut launcher = Command::new(client);
    launcher.args(["alarm:5", "launch"]).args(TRACE);
    let output = limit::output(launcher.args([client, &alarm, "init", "sleep:60000"]));
    let report = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(40 + libc::SIGALRM), "{report}");
}

#[test]
fn a_key_on_the_terminal_is_one_signal_and_no_second_one_from_the_command() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/command/terminal.py");
    let words = [CLIENT.to_str().unwrap(), "init", "count:2", "print:ready", "counted", "exit:6"];
    if !has_python("a key on a terminal") {
        return;
    }
    let output = limit::output(Command::new("python3").arg(python).args(TRACE).args(words));
    let written = String::from_utf8(output.stdout).unwrap();
    assert!(written.contains("1 signals"), "{written}");
    assert_eq!(output.status.code(), Some(6), "{written}");
    // It is a terminal.
    assert!(written.contains("\x1b["), "{written}");
}

#[test]
fn the_program_s_streams_are_its_own() {
    let script = format!("{} init retain:0; cat; echo behind", CLIENT.display());
    let mut trace = Trace::new(&[]).program(&["sh", "-c", &script]);
    let command = trace.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\x00one\ntwo").unwrap();
    let output = limit::rest(child);
    assert_eq!(output.stdout, b"\x00one\ntwobehind\n");
    trace.ended(output).ended_with(0);
}

#[test]
fn a_program_sees_and_says_the_same() {
    // As nohup starts its program, and a program that has a mask of its own; then what it has open, and what it says.
    let list = format!("{} init retain:1 release:1 release:1 fork retain:1", CLIENT.display());
    for (before, program) in [
        (&[][..], &["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"][..]),
        (
            &["ignore:1", "ignore:13", "ignore:17", "block:10", "block:2"],
            &["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"],
        ),
        (&[], &["sh", "-c", "ls /proc/self/fd | wc -l"]),
        (&[], &["sh", "-c", &list]),
        (&[], &["sh", "-c", "ulimit -f; ulimit -v; ulimit -n"]),
    ] {
        let (_folder, driver) = installed_driver();
        let launch = |words: &[&str]| {
            let mut launcher = Command::new(&*CLIENT);
            launcher.args(before).args(["launch", "sh", "-c"]);
            launcher.args(["ulimit -f 1000 -v 900000 -n 100; exec \"$@\"", "sh"]).args(words);
            launcher.env("LD_LIBRARY_PATH", driver.parent().unwrap()).stdin(Stdio::null());
            let output = limit::output(&mut launcher);
            (output.status, String::from_utf8(output.stdout).unwrap())
        };
        let alone = launch(program);
        assert!(!alone.1.is_empty(), "{program:?}");
        let command = [TRACE[0], "trace", "--live", "--"];
        assert_eq!(launch(&[&command[..], program].concat()), alone, "{before:?} {program:?}");
    }
}

#[test]
fn closed_streams_stay_closed_and_no_file_takes_their_place() {
    for closed in ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"] {
        let folder = tempfile::tempdir().unwrap();
        let launch = |command: &str, list: &str| {
            let client = CLIENT.display();
            let script = format!(
                "exec {command} sh -c '{client} init retain:0; for fd in 0 1 2; do \
                 test -e /proc/$$/fd/$fd && echo $fd >>{list}; done; exit 5' {closed}"
            );
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).current_dir(folder.path()).stderr(Stdio::null());
            let (_folder, driver) = installed_driver();
            shell.env("LD_LIBRARY_PATH", driver.parent().unwrap());
            assert_eq!(limit::wait(&mut shell.spawn().unwrap()).code(), Some(5), "{closed}");
        };
        launch("", "alone");
        let command = env!("CARGO_BIN_EXE_cuda-contexts");
        launch(&format!("{command} trace --live --json events --"), "traced");
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        assert_eq!(read("traced"), read("alone"), "{closed}");
        let events = read("events");
        let kind = |line| serde_json::from_str::<Value>(line).expect(line)["event"].clone();
        let kinds: Vec<Value> = events.lines().map(kind).collect();
        assert!(kinds.contains(&"call".into()), "{closed}: {events}");
        assert_eq!(*kinds.last().unwrap(), "end", "{closed}: {events}");
    }
}

#[test]
fn a_reader_that_is_gone_changes_nothing() {
    let mut trace = Trace::new(&["--live"]).client("init print:ready sleep:100 retain:0 exit:5");
    let mut child = start(&mut trace);
    drop(child.stderr.take());
    assert_eq!(limit::wait(&mut child).code(), Some(5));
}

#[test]
fn the_parent_of_an_orphan_is_the_same_as_without_the_command() {
    // The subshell outlives its parent, and says who its parent is then.
    let script = "(sleep 0.3; sed -n 's/^PPid:\\t//p' /proc/$BASHPID/status) & exit 0";
    let words = ["bash", "-c", script];
    if Command::new("bash").arg("--version").stdout(Stdio::null()).status().is_err() {
        skip("bash", "the parent of an orphan", "there is no bash");
        return;
    }
    let alone = limit::output(Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()));
    let traced = Trace::new(&[]).program(&words).run();
    traced.ended_with(0);
    assert_eq!(traced.stdout, String::from_utf8(alone.stdout).unwrap());
}

#[test]
fn a_program_that_has_ended_is_noticed_at_once() {
    let started = std::time::Instant::now();
    // Where nothing is traced, the command looks once a minute.
    Trace::without_driver(&[]).program(&["true"]).run().ended_with(0);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn limits_of_the_program_are_no_limits_of_the_command() {
    // Files of 1.5 MB, an address space of 400 MB.
    for limit in ["-f 3000", "-v 400000"] {
        for user in ["", "setpriv --reuid 65534 --clear-groups --regid 65534"] {
            let folder = tempfile::tempdir().unwrap();
            std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).ok();
            let (command, client) = (TRACE.join(" "), CLIENT.display());
            let words = "init retain:0 exit:5";
            let script = format!("ulimit {limit}; exec {user} {command} {client} {words}");
            let mut shell = Command::new("sh");
            let output = limit::output(shell.args(["-c", &script]).env("TMPDIR", folder.path()));
            let report = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(5), "{limit} {user}: {report}");
            assert!(report.contains("created by client"), "{limit} {user}: {report}");
        }
    }
}

/// A FIFO that nobody reads, or that somebody has opened and does not read.
#[test]
fn a_file_of_json_that_takes_nothing_can_be_interrupted() {
    for is_open in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let open = |fifo| fs::OpenOptions::new().read(true).write(true).open(fifo).unwrap();
        let reader = is_open.then(|| open(&fifo));
        let mut command = Command::new(TRACE[0]);
        command.args(["trace", "--driver", "simulated", "--stack", "all", "--json"]).arg(&fifo);
        command.arg("--").arg(CLIENT.as_path()).args(["init", "retain:0", "cost:2000"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        if is_open {
            // The program ends although nobody reads.
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        }
        std::thread::sleep(Duration::from_secs(1));
        assert!(child.try_wait().unwrap().is_none(), "{is_open}");
        send(&child, libc::SIGTERM);
        let status = limit::rest(child).status;
        // By then the program may have ended, and the command goes on writing for a while.
        let ended = status.signal() == Some(libc::SIGTERM) || (is_open && status.success());
        assert!(ended, "{is_open}: {status:?}");
        drop(reader);
    }
}

#[test]
fn a_program_that_damages_the_shared_memory_loses_its_own_record_only() {
    if !has_python("a program that damages the shared memory") {
        return;
    }
    // It cuts the file off, moves both positions far beyond the end, and fills it with ones.
    for damage in [
        "truncate(0)",
        "seek(24); file.write(b'\\0\\0\\0\\0\\0\\1\\0\\0' * 2)",
        "write(b'\\xff' * 65536)",
    ] {
        let script = format!(
            "import ctypes, os\n\
             ctypes.CDLL('libcuda.so.1').cuInit(0)\n\
             file = open(os.environ['CUDA_CONTEXTS_ARENA'], 'r+b', buffering=0); file.{damage}\n\
             print('done', flush=True)\n\
             os._exit(7)\n"
        );
        for (options, code) in [(&[][..], 7), (&["--forbid"], 125)] {
            let traced = Trace::new(options).program(&["python3", "-c", &script]).run();
            traced.ended_with(code);
            assert_eq!(traced.stdout, "done\n", "{damage}");
            traced.says("The program overwrote the trace's shared memory: ");
        }
    }
}
