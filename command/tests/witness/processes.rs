//! Several processes and threads, and ends that are not in order.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::programs::library;
use crate::traced::{have_stacks, pick, trace, trace_with};

#[test]
fn a_child_forked_before_init_is_a_process_of_its_own() {
    for fork in ["load fork", "load fork:bare", "old-kernel load fork:bare"] {
        let traced = trace(&format!("{fork} init retain:0 end init retain:0 retain:0"));
        let [parent, child] = traced.events("process")[..] else { panic!("{:?}", traced.lines) };
        assert_eq!((&child["forked_from"], &child["parent"]), (&parent["process"], &parent["pid"]));
        assert_eq!(parent["forked_from"], Value::Null, "{fork}");
        let calls = traced.events("call");
        let of =
            |process: &Value| calls.iter().filter(|call| call["pid"] == process["pid"]).count();
        assert_eq!((of(child), of(parent)), (2, 3), "{fork}");
        // Each has a single thread, even if libc still returns the parent's id.
        assert!(calls.iter().all(|call| call["tid"] == call["pid"]), "{fork}");
        // Each has made its own context.
        let created = pick(&traced.retains(), "created references");
        assert_eq!(created, json!([[true, 1], [true, 1], [false, 2]]), "{fork}");
        assert_eq!(traced.events("exit").len(), 2, "{fork}");
    }
    // One that makes no call has no record.
    let traced = trace("init fork end");
    assert_eq!((traced.events("process").len(), traced.events("exit").len()), (1, 1));
}

#[test]
fn a_child_forked_after_init_inherits_nothing() {
    // The simulated driver does not notice a bare fork, and returns what it would in the parent.
    for (fork, result) in [("fork", 3), ("fork:bare", 0)] {
        let words = format!("{fork} holders:0 release:0 destroy end release:0 destroy");
        let traced = trace(&format!("init retain:0 create:0 {words}"));
        let [parent, child] = traced.events("process")[..] else { panic!("{:?}", traced.lines) };
        let (theirs, ours) = (&child["pid"], &parent["pid"]);
        assert!(traced.stdout.contains("holders 0\n"), "{}", traced.stdout);
        // The parent's count is its own.
        let releases = pick(&traced.releases(), "pid result reference_of references");
        let expected = json!([[theirs, result, null, 0], [ours, 0, "client", 0]]);
        assert_eq!(releases, expected, "{fork}");
        let destroyed = pick(&traced.calls("cuCtxDestroy_v2"), "pid handle");
        assert_eq!(destroyed[0], json!([theirs, null]), "{fork}");
        assert_eq!(traced.end()["devices"][0]["contexts"], json!([]), "{fork}");
    }
}

#[test]
fn sixteen_threads() {
    for (stack, rounds) in [("none", 200), ("all", 20)] {
        let words = format!("init retain:1 threads:16,{rounds} threads:16,50 holders:0");
        let traced = trace_with(&["--stack", stack], &words);
        assert_eq!(traced.stdout, "holders 0\n");
        let calls = traced.events("call");
        assert_eq!(calls.len(), 2 + 2 * 16 * (rounds + 50));
        assert!(calls.iter().all(|call| call["result"] == 0));
        assert!(have_stacks(&calls).iter().all(|&has_one| has_one == (stack == "all")));
        let threads: HashSet<_> = calls.iter().map(|call| call["tid"].as_u64()).collect();
        assert_eq!((threads.len(), traced.events("device").len()), (33, 2));
        assert_eq!(traced.end()["lost"], 0);
    }
}

#[test]
fn a_signal_handler_in_the_middle_of_the_witness() {
    for stack in ["none", "all"] {
        let traced = trace_with(&["--stack", stack], "init retain:0 signals:40 release:0");
        assert_eq!(traced.stdout, "");
        assert_eq!(traced.events("call").last().unwrap()["references"], 0);
        assert!(traced.events("call").iter().all(|call| call["result"] == 0));
    }
}

#[test]
fn calls_from_destructors_are_after_the_exit() {
    // A library that is opened before the driver is closed after it.
    let late = library("late.so", &[]).display().to_string();
    let traced = trace(&format!("by:{late} by: init retain:0 by:{late} late:0"));
    assert_eq!(traced.events("exit").len(), 1);
    // The driver has ended, too.
    let release = pick(&traced.releases(), "library after_exit result references");
    assert_eq!(release, json!([["late.so", true, 4, 1]]));
    assert_eq!(traced.retains()[0]["after_exit"], false);
    assert_eq!(traced.stdout, "late 4\n");
}

/// A driver may stay when it is closed, as the simulated one does. The witness then must, too.
#[test]
fn the_driver_closed_and_opened_again() {
    let traced = trace("reopen:3 init retain:0 reopen:200 fork end init retain:0 holders:0");
    assert_eq!(traced.stdout, "holders 1\n  client 2 0 0\n");
    assert_eq!((traced.events("process").len(), traced.events("exit").len()), (1, 1));
    assert_eq!(traced.retains()[1]["references"], 2);
}
