//! Who made a context, who holds it, who took whose, and what is left.

use std::process::Command;

use serde_json::Value;

use crate::limit;
use crate::programs::CLIENT;
use crate::skips::skip;
use crate::traced::Trace;

#[test]
fn children_by_fork_exec_and_spawn_are_processes_of_their_own() {
    for (words, devices, is_said) in [
        ("fork init retain:1", 1, ""),
        ("init spawn init retain:1", 1, ""),
        ("init retain:1 exec init retain:2", 2, "replaced by another program (exec)"),
        (
            "init retain:1 fork retain:1",
            1,
            "called cuInit. Start workers with spawn instead of fork.",
        ),
    ] {
        let traced = Trace::new(&[]).client(words).run();
        traced.ended_with(0);
        traced.says(is_said);
        let processes = traced.events("process");
        assert_eq!(processes.len(), 1 + usize::from(!words.starts_with("fork")), "{words}");
        let last = traced.calls("cuDevicePrimaryCtxRetain").pop().unwrap();
        assert_eq!(last["process"], processes.last().unwrap()["process"], "{words}");
        assert_eq!(traced.end()["devices"].as_array().unwrap().len(), devices, "{words}");
        let is_forked_late = words.ends_with("fork retain:1");
        assert_eq!(last["result"], if is_forked_late { 3 } else { 0 }, "{words}");
        let parent = is_forked_late.then(|| processes[0]["process"].clone());
        assert_eq!(processes.last().unwrap()["forked_from"], parent.unwrap_or(Value::Null));
    }
}

/// Both have the id 1, and one of them releases what it has.
#[test]
fn processes_of_different_namespaces_are_told_apart() {
    let mut probe = Command::new("unshare");
    if !limit::output(probe.args(["-p", "-f", "--mount-proc", "true"])).status.success() {
        return skip("namespaces", "processes of different namespaces", "none can be made");
    }
    let worker = format!("unshare -p -f --mount-proc {} init", CLIENT.display());
    let script =
        format!("{worker} retain:1 sleep:500 release:1 & {worker} retain:2 sleep:500; wait");
    let traced = Trace::new(&[]).program(&["sh", "-c", &script]).run();
    traced.ended_with(0);
    assert!(traced.events("process").iter().all(|process| process["pid"] == 1));
    let references = |device: &Value| device["holders"][0]["references"].as_u64();
    let devices = traced.end()["devices"].as_array().unwrap();
    let mut held: Vec<_> =
        devices.iter().map(|device| (device["device"].as_u64(), references(device))).collect();
    held.sort_unstable();
    assert_eq!(held, [(Some(1), Some(0)), (Some(2), Some(1))]);
}

#[test]
fn a_program_without_cuda_has_no_witness_and_one_without_contexts_a_short_report() {
    let traced = Trace::new(&["--forbid"]).program(&["true"]).run();
    traced.ended_with(0);
    assert_eq!(
        traced.stderr,
        "cuda-contexts: No CUDA context was created, because no process loaded the CUDA driver.\n"
    );
    let kinds: Vec<_> = traced.lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["trace", "end"]);
    let traced = Trace::new(&[]).client("load").run();
    traced.says("1 more process loaded the driver without initialising it.");
}

#[test]
fn many_calls_are_all_counted() {
    // Faster than they are read: without --json, which takes longer than all the rest.
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-contexts"));
    command.args(["trace", "--driver", "simulated", "--"]).arg(CLIENT.as_path());
    let output = limit::output(command.args(["init", "retain:0", "cost:40000"]));
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("retained it 40001 times"), "{report}");
    assert!(report.contains("released it 40000 times"), "{report}");
    assert!(report.contains("held at the end: 1 reference by client"), "{report}");
    assert!(!report.contains("lost"), "{report}");
}
