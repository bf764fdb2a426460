//! Several processes and threads, and ends that are not in order.

use std::collections::HashSet;
use std::fs;
use std::process::Stdio;

use cuda_contexts::record::Holding;
use simulated_libcuda::{Knob, Simulator};

use crate::arena::{self, ALL, NO_STACKS, Settings};
use crate::programs::library;
use crate::traced::{Traced, trace, trace_with, untraced};

#[test]
fn a_child_forked_before_init_is_a_process_of_its_own() {
    for fork in ["fork", "fork:bare"] {
        let (_, arena) = trace(&format!("load {fork} init retain:0 end init retain:0 retain:0"));
        let [parent, child] = &arena.processes[..] else { panic!("{:?}", arena.processes) };
        assert_eq!(child.forked_from, Some(parent.process), "{fork}");
        assert_eq!((parent.forked_from, child.parent), (None, parent.pid), "{fork}");
        let of = |pid: u32| arena.calls.iter().filter(move |call| call.pid == pid);
        assert_eq!((of(child.pid).count(), of(parent.pid).count()), (2, 3), "{fork}");
        // Each has made its own context.
        let created = arena.retains();
        assert_eq!(created.iter().filter(|call| call.created).count(), 2, "{fork}");
        assert_eq!((created.last().unwrap().references, arena.exits), (2, 2), "{fork}");
    }
    // One that makes no call has no record.
    let (_, arena) = trace("init fork end");
    assert_eq!((arena.processes.len(), arena.exits), (1, 1));
}

#[test]
fn a_child_forked_after_init_inherits_nothing() {
    // The simulated driver does not notice a bare fork, and returns what it would in the parent.
    for (fork, result) in [("fork", 3), ("fork:bare", 0)] {
        let words = format!("{fork} holders:0 release:0 destroy end release:0 destroy");
        let (printed, arena) = trace(&format!("init retain:0 create:0 {words}"));
        let [parent, child] = &arena.processes[..] else { panic!("{:?}", arena.processes) };
        let [theirs, ours] = arena.releases()[..] else { panic!("{fork}") };
        assert_eq!((theirs.pid, theirs.result), (child.pid, Some(result)));
        assert_eq!((theirs.taken_from(), theirs.references), (None, 0));
        assert!(printed.contains("holders 0\n"), "{printed}");
        // The parent's count is its own.
        assert_eq!((ours.pid, ours.result, ours.references), (parent.pid, Some(0), 0));
        assert_eq!(ours.taken_from(), Some("client"));
        let [theirs, ours] = arena.of("cuCtxDestroy_v2")[..] else { panic!("{fork}") };
        assert_eq!((theirs.device, theirs.contexts()), (None, None), "{fork}");
        assert_eq!(ours.contexts(), Some((Holding::OrdinaryContext, 0)), "{fork}");
    }
}

#[test]
fn sixteen_threads() {
    for settings in [NO_STACKS, ALL] {
        let words = "init retain:1 threads:16,200 threads:16,50 holders:0";
        let (printed, arena) = trace_with(words, &settings);
        assert_eq!(printed, "holders 0\n");
        assert_eq!(arena.calls.len(), 2 + 2 * 16 * (200 + 50));
        for call in &arena.calls {
            assert_eq!((call.result, call.has_stack()), (Some(0), settings.stack == ALL.stack));
        }
        let threads: HashSet<u32> = arena.calls.iter().map(|call| call.tid).collect();
        assert_eq!((threads.len(), arena.devices.len(), arena.lost), (33, 2, 0));
    }
}

#[test]
fn a_signal_handler_in_the_middle_of_the_witness() {
    for settings in [NO_STACKS, ALL] {
        let (printed, arena) = trace_with("init retain:0 signals:40 release:0", &settings);
        assert_eq!(printed, "");
        assert_eq!(arena.calls.last().unwrap().references, 0);
        assert!(arena.calls.iter().all(|call| call.result == Some(0)));
    }
}

#[test]
fn a_process_that_is_killed_in_the_middle_of_a_call() {
    let slow = Simulator::builder().knob(Knob::RetainMicroseconds, 30_000_000);
    let mut traced = Traced::client(slow, "init retain:0", &Settings::default());
    let mut child = traced.client.stdout(Stdio::null()).spawn().unwrap();
    // The device's record comes right before the call's, and the call's before the driver's.
    while traced.client.calls().unwrap().is_empty()
        || traced.witness.arena(false).devices.is_empty()
    {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before its call");
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    child.kill().unwrap();
    child.wait().unwrap();
    let arena = traced.arena();
    let retain = arena.retains()[0];
    assert!(retain.result.is_none() && retain.has_stack() && arena.exits == 0);
    assert_eq!(arena::name(&retain.frames[1].0), "client", "where it was is known");
}

#[test]
fn calls_from_destructors_are_after_the_exit() {
    // A library that is opened before the driver is closed after it.
    let late = library("late.so", &[]).display().to_string();
    let (printed, arena) = trace(&format!("by:{late} by: init retain:0 by:{late} late:0"));
    let release = arena.releases()[0];
    assert_eq!((release.library(), arena.exits), ("late.so", 1));
    assert!(release.after_exit && !arena.calls[1].after_exit);
    // The driver has ended, too.
    assert_eq!((release.result, release.references), (Some(4), 1));
    assert_eq!(printed, "late 4\n");
}

#[test]
fn a_full_arena_is_said_and_changes_nothing() {
    let words = "init retain:0 threads:4,100 release:0 release:0";
    let settings = Settings { capacity: Some(4096 + 16 * 1024), ..Settings::default() };
    let (printed, arena) = trace_with(words, &settings);
    assert_eq!(printed, untraced(words).0);
    let kept = arena.calls.len() as u64;
    assert!(kept > 10 && arena.lost > 600, "{kept} calls kept, {} lost", arena.lost);
}

#[test]
fn without_an_arena_a_program_runs_all_the_same() {
    let words = "init retain:0 holders:0 threads:4,10 fork retain:0 end release:0";
    let mut traced = Traced::client(Simulator::builder(), words, &Settings::default());
    let path = traced.witness.folder.path().join("arena");
    let expected = "holders 1\n  client 1 0 0\nretain returned 3\n";
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
    let words = "reopen:3 init retain:0 reopen:200 fork end init retain:0";
    let (printed, arena) = trace(&format!("{words} holders:0"));
    assert_eq!(printed, format!("{}holders 1\n  client 2 0 0\n", untraced(words).0));
    assert_eq!((arena.processes.len(), arena.exits), (1, 1));
    assert_eq!(arena.retains()[1].references, 2);
}
