//! Several processes and threads, and ends that are not in order.

use std::collections::HashSet;
use std::fs;
use std::process::Stdio;

use crate::arena::{self, Arena, NONE, Settings};
use crate::traced::{CLIENT, Traced, library, signal_of, trace, trace_with, untraced};
use cuda_contexts::record::Holding;
use simulated_libcuda::{Knob, Simulator};

#[test]
fn a_child_forked_before_init_is_a_process_of_its_own() {
    for fork in ["fork", "bare-fork"] {
        let (_, arena) = trace(1, &format!("{fork} init retain 0 end init retain 0 retain 0"));
        let [parent, child] = &arena.processes[..] else { panic!("{:?}", arena.processes) };
        assert!(
            child.forked_from == Some(parent.process) && parent.forked_from.is_none(),
            "{fork}"
        );
        assert_eq!(child.parent, parent.pid);
        let of = |pid: u32| arena.calls.iter().filter(move |call| call.pid == pid);
        assert_eq!((of(child.pid).count(), of(parent.pid).count()), (2, 3), "{fork}");
        // Each has made its own context.
        let created = arena.of("cuDevicePrimaryCtxRetain");
        assert_eq!(created.iter().filter(|call| call.created).count(), 2, "{fork}");
        assert_eq!(created.last().unwrap().references, 2, "{fork}");
        assert_eq!(arena.exits.len(), 2, "{fork}");
    }
}

#[test]
fn a_child_forked_after_init_inherits_no_reference() {
    // The simulated driver does not notice a bare fork, and answers as in the parent.
    for (fork, result) in [("fork", 3), ("bare-fork", 0)] {
        let (_, arena) = trace(1, &format!("init retain 0 {fork} release 0 end release 0"));
        let [parent, child] = &arena.processes[..] else { panic!("{:?}", arena.processes) };
        let [theirs, ours] = arena.of("cuDevicePrimaryCtxRelease_v2")[..] else { panic!("{fork}") };
        assert_eq!((theirs.pid, theirs.result), (child.pid, Some(result)));
        assert_eq!((theirs.taken_from(), theirs.references), (None, 0));
        // The parent's count is its own.
        assert_eq!((ours.pid, ours.result, ours.references), (parent.pid, Some(0), 0));
        assert_eq!(ours.taken_from(), Some("client"));
    }
}

#[test]
fn a_child_forked_by_the_bare_call_knows_nothing_of_its_parent_s_contexts() {
    let (said, arena) = trace(1, "init retain 0 create 0 bare-fork holders 0 destroy end destroy");
    let [theirs, ours] = arena.of("cuCtxDestroy_v2")[..] else { panic!("{said}") };
    let theirs = (theirs.result, theirs.device, theirs.contexts());
    assert_eq!(theirs, (Some(0), None, None), "the child");
    let left = Some((Holding::OrdinaryContext, 0));
    assert_eq!((ours.pid, ours.contexts()), (arena.processes[0].pid, left), "the parent");
    assert_eq!(arena.processes.len(), 2);
    assert!(said.contains("holders 0\n"), "{said}");
}

#[test]
fn a_child_that_makes_no_call_says_nothing() {
    let (_, arena) = trace(1, "init fork end");
    assert_eq!((arena.processes.len(), arena.exits.len()), (1, 1));
}

#[test]
fn a_program_that_starts_another_in_its_place() {
    let (_, arena) = trace(1, "init retain 0 exec init retain 0 release 0");
    let [first, second] = &arena.processes[..] else { panic!("{:?}", arena.processes) };
    assert_eq!(first.pid, second.pid);
    assert!(second.forked_from.is_none() && first.process != second.process);
    assert_eq!((first.start, first.start > 0), (second.start, true));
    assert_eq!(second.arguments[1..], ["init", "retain", "0", "release", "0"]);
    let retains = arena.of("cuDevicePrimaryCtxRetain");
    assert!(retains.iter().all(|call| call.created), "each program made one");
}

#[test]
fn sixteen_threads() {
    for stack in [NONE, arena::ALL] {
        let (said, arena) = trace_with(
            Simulator::builder().devices(2),
            "init retain 1 threads 16 200 1 threads 16 50 0 holders 0",
            &Settings { stack, ..Settings::default() },
        );
        assert!(said.contains("threads 0\nthreads 0\nholders 0\n"), "{said}");
        assert_eq!(arena.calls.len(), 2 + 2 * 16 * (200 + 50));
        let is_whole = |call: &&arena::Of<arena::Call>| {
            call.result == Some(0) && call.has_stack() == (stack == arena::ALL)
        };
        assert!(arena.calls.iter().all(|call| is_whole(&call)));
        let threads: HashSet<u32> = arena.calls.iter().map(|call| call.tid).collect();
        assert_eq!((threads.len(), arena.devices.len(), arena.lost), (33, 2, 0));
    }
}

/// Of those that created a context, those that live when the process exits.
#[test]
fn threads_that_created_a_context_are_looked_at_when_the_process_exits() {
    let (_, arena) = trace(1, "init retain 0");
    let [thread] = &**arena.exits[0] else { panic!("{:?}", arena.exits) };
    assert_eq!((thread.tid, &*thread.name), (arena.exits[0].tid, "client"));
    let (_, arena) = trace(1, "init threads 1 1 0");
    assert!(arena.of("cuDevicePrimaryCtxRetain")[0].created);
    assert!(arena.exits[0].is_empty(), "{:?}", arena.exits);
}

#[test]
fn a_signal_handler_in_the_middle_of_the_witness() {
    for stack in [NONE, arena::ALL] {
        let settings = Settings { stack, ..Settings::default() };
        let (said, arena) =
            trace_with(Simulator::builder(), "init retain 0 signals 40 0 release 0", &settings);
        assert_eq!(said, "init 0\nretain 0\nsignals 0\nrelease 0\n");
        assert_eq!(arena.calls.last().unwrap().references, 0);
        assert!(arena.calls.iter().all(|call| call.result == Some(0)));
    }
}

#[test]
fn what_was_written_before_a_process_is_killed_is_there() {
    let mut traced = Traced::new(Simulator::builder(), &*CLIENT, &Settings::default());
    traced.client.args("init retain 0 kill".split_whitespace());
    assert_eq!(signal_of(&traced.client.output().unwrap()), Some(libc::SIGKILL));
    let arena = traced.arena();
    assert_eq!(arena.of("cuDevicePrimaryCtxRetain")[0].references, 1);
    assert!(arena.exits.is_empty());
    let (_, arena) = trace(1, "init retain 0 _exit");
    assert!(arena.exits.is_empty());
}

#[test]
fn a_process_that_is_killed_in_the_middle_of_a_call() {
    let slow = Simulator::builder().knob(Knob::RetainMicroseconds, 30_000_000);
    let mut traced = Traced::new(slow, &*CLIENT, &Settings::default());
    traced.client.args("init retain 0".split_whitespace());
    let mut child = traced.client.stdout(Stdio::null()).spawn().unwrap();
    // The device's record comes right before the call's, and the call's before the driver's.
    while traced.client.calls().unwrap().is_empty() || traced.arena_so_far().devices.is_empty() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before its call");
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    child.kill().unwrap();
    child.wait().unwrap();
    let arena = traced.arena();
    let retain = arena.of("cuDevicePrimaryCtxRetain")[0];
    assert!(retain.result.is_none() && retain.has_stack());
    assert_eq!(arena::name(&retain.frames[1].0), "client", "where it was is known");
}

#[test]
fn calls_from_destructors_are_after_the_exit() {
    let mut traced = Traced::new(Simulator::builder(), &*CLIENT, &Settings::default());
    traced
        .client
        .args("init retain 0 late 0".split_whitespace())
        .env("LATE", library("late.so", &[]));
    let said = traced.run();
    let arena = traced.arena();
    let release = arena.of("cuDevicePrimaryCtxRelease_v2")[0];
    assert_eq!((release.library(), arena.exits.len()), ("late.so", 1));
    assert!(release.after_exit && !arena.calls[1].after_exit);
    // The driver has ended, too.
    assert_eq!((release.result, release.references), (Some(4), 1));
    assert_eq!(said, "init 0\nretain 0\nlate 0\nlate 4\n");
}

#[test]
fn a_library_that_releases_what_another_holds() {
    let mut traced = Traced::new(Simulator::builder(), &*CLIENT, &Settings::default());
    traced
        .client
        .args("init retain 0 late 0 holders 0".split_whitespace())
        .env("LATE", library("late.so", &[]));
    traced.client.env("SIMULATED_CUDA_KNOBS", "deinitialize_at_exit=0");
    traced.run();
    let arena = traced.arena();
    let release = arena.of("cuDevicePrimaryCtxRelease_v2")[0];
    assert_eq!((release.result, release.references), (Some(0), 0));
    assert_eq!((release.library(), release.taken_from()), ("late.so", Some("client")));
    assert!(release.took_from_others() && release.has_stack() && release.ended);
}

#[test]
fn a_full_arena_is_said_and_changes_nothing() {
    let words = "init retain 0 threads 4 100 0 release 0";
    let settings = Settings { capacity: Some(4096 + 16 * 1024), ..Settings::default() };
    let (said, arena) = trace_with(Simulator::builder(), words, &settings);
    let (without, _) = untraced(Simulator::builder(), words);
    assert_eq!(said, without);
    let kept = arena.calls.len() as u64;
    assert!(kept > 10 && arena.lost > 600, "{kept} calls kept, {} lost", arena.lost);
}

#[test]
fn without_an_arena_a_program_runs_all_the_same() {
    let words = "init retain 0 holders 0 threads 4 10 0 fork retain 0 end release 0";
    let mut traced = Traced::new(Simulator::builder(), &*CLIENT, &Settings::default());
    let path = traced.directory.path().join("arena");
    traced.client.args(words.split_whitespace());
    let expected =
        "init 0\nretain 0\nholders 1\n  client 1 0 0\nthreads 0\nretain 3\nfork 0\nrelease 0\n";
    assert_eq!(traced.run(), expected);
    for content in [&b""[..], b"cudactx\n", &[7; 8192]] {
        fs::write(&path, content).unwrap();
        assert_eq!(traced.run(), expected, "{} bytes that are no arena", content.len());
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(traced.run(), expected);
    traced.client.env_remove("CUDA_CONTEXTS_ARENA");
    assert_eq!(traced.run(), expected);
}

/// A driver may stay when it is closed, as the simulated one does. The witness then must, too.
#[test]
fn the_driver_closed_and_opened_again() {
    let words = "reopen 3 init retain 0 reopen 200 fork end init retain 0";
    let (said, arena) = trace(1, &format!("{words} holders 0"));
    let (without, _) = untraced(Simulator::builder(), words);
    assert_eq!(said, format!("{without}holders 1\n  client 2 0 0\n"));
    assert_eq!((arena.processes.len(), arena.exits.len()), (1, 1));
    assert_eq!(arena.of("cuDevicePrimaryCtxRetain")[1].references, 2);
}

#[test]
fn another_driver_by_its_path_is_noticed() {
    let other = Simulator::builder().command("true");
    let words = format!("init open {} retain 0", other.path().display());
    let (_, arena) = trace(1, &words);
    assert_eq!(arena.bypasses, [other.path().to_str().unwrap()]);
    assert!(trace(1, "init retain 0").1.bypasses.is_empty());
}

/// The loader maps nothing into a program that does not open the driver.
#[test]
fn a_program_without_cuda_is_left_alone() {
    let mut traced = Traced::new(Simulator::builder(), "cat", &Settings::default());
    traced.client.arg("/proc/self/maps");
    let maps = traced.run();
    assert!(maps.contains("/libc.so.6") && !maps.contains("libcuda"), "{maps}");
    assert!(traced.arena().processes.is_empty());
}

#[test]
fn the_launchers_variables() {
    let mut traced = Traced::new(Simulator::builder(), &*CLIENT, &Settings::default());
    traced.client.args(["init"]).env("LOCAL_RANK", "3").env("RANK", "11");
    traced.client.env("CUDA_VISIBLE_DEVICES", "0");
    traced.run();
    let arena: Arena = traced.arena();
    assert_eq!(
        arena.processes[0].variables,
        [("LOCAL_RANK", "3"), ("RANK", "11"), ("CUDA_VISIBLE_DEVICES", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}
