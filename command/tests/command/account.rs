//! Who made a context, who holds it, who took whose, and what is left.

use std::process::Command;

use serde_json::{Value, json};

use crate::limit;
use crate::traced::{CLIENT, Trace, Traced};

/// The account of the one device that was touched.
fn device(traced: &Traced) -> &Value {
    let devices = traced.end()["devices"].as_array().unwrap();
    let [device] = &**devices else { panic!("{devices:?}") };
    device
}

#[test]
fn the_client_s_program_is_the_holder() {
    let traced = Trace::new(&[]).client("init retain:1 retain:1 release:1").run();
    traced.ended_with(0);
    let holders = &device(&traced)["holders"];
    let expected = json!([
        {"library": "command-client", "references": 1, "retained": 2, "released": 1}
    ]);
    assert_eq!(*holders, expected);
}

#[test]
fn children_by_fork_exec_and_spawn_are_processes_of_their_own() {
    for words in ["fork init retain:1", "exec init retain:1", "init spawn init retain:1"] {
        let traced = Trace::new(&[]).client(words).run();
        traced.ended_with(0);
        assert_eq!(device(&traced)["created"], 1, "{words}");
        let process = traced.calls("cuDevicePrimaryCtxRetain")[0]["pid"].clone();
        let known = traced.events("process").into_iter().any(|line| line["pid"] == process);
        assert!(known, "{words}");
    }
}

#[test]
fn a_child_forked_after_the_initialisation_gets_3_and_the_report_says_why() {
    let traced = Trace::new(&[]).client("init retain:1 fork retain:1").run();
    traced.ended_with(0);
    assert!(traced.stdout.contains("retain returned 3"), "{}", traced.stdout);
    let [parent, child] = &*traced.events("process") else { panic!("{:?}", traced.lines) };
    assert_eq!(parent["forked_from"], Value::Null);
    assert_eq!(child["forked_from"], parent["process"]);
    traced.says(" (forked by ");
    traced.says("called cuInit. Start workers with spawn instead of fork.");
}

#[test]
fn a_program_that_replaces_itself_is_there_twice() {
    let traced = Trace::new(&[]).client("init retain:1 exec init retain:2").run();
    traced.ended_with(0);
    let processes = traced.events("process");
    assert_eq!(processes.len(), 2);
    assert_eq!(processes[0]["pid"], processes[1]["pid"]);
    assert_eq!(traced.end()["devices"].as_array().unwrap().len(), 2);
    traced.says("replaced by another program (exec)");
}

#[test]
fn many_threads_and_processes_lose_nothing() {
    let many = "retain:1 release:1 ".repeat(200);
    let traced =
        Trace::new(&["--stack", "all"]).client(&format!("init {many} spawn init {many}")).run();
    traced.ended_with(0);
    assert_eq!(traced.calls("cuDevicePrimaryCtxRetain").len(), 400);
    assert_eq!(traced.end()["lost"], 0);
    traced.says("and created 192 more times, last at");
}

#[test]
fn a_program_without_cuda_has_no_witness_and_one_without_contexts_a_short_report() {
    let traced = Trace::new(&["--forbid"]).program(&["true"]).run();
    traced.ended_with(0);
    assert_eq!(traced.stderr, "cuda-contexts: No CUDA context was created.\n");
    let kinds: Vec<_> = traced.lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["trace", "end"]);
    let traced = Trace::new(&[]).client("load").run();
    traced.says("1 more process loaded the driver without initialising it.");
}

#[test]
fn calls_that_come_faster_than_they_are_read_are_all_counted() {
    // Without --json, which takes longer than all the rest.
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-contexts"));
    command.args(["trace", "--driver", "simulated", "--"]).arg(CLIENT.as_path());
    let output = limit::output(command.args(["init", "retain:0", "cost:40000"]));
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("retained it 40001 times"), "{report}");
    assert!(report.contains("released it 40000 times"), "{report}");
    assert!(report.contains("held at the end: 1 reference by command-client"), "{report}");
    assert!(!report.contains("lost"), "{report}");
}
