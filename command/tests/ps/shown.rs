//! What is shown, and the exit statuses.

use super::machine::{Machine, Worker, errors, is_documented};
use crate::limit;
use crate::skips::skip;

/// No process has this id.
const ELSEWHERE: u32 = 4_200_000_000;

#[test]
fn a_worker_with_a_stray_comes_first_with_what_to_do() {
    let worker = Worker::start(&[("LOCAL_RANK", "1"), ("CUDA_VISIBLE_DEVICES", "0,1")]);
    let (pid, own) = (worker.pid(), std::process::id());
    let machine = Machine::new(&format!("2\n0 {own} 90 -1\n0 {pid} 612 -1\n1 {pid} 1634 -1\n"));
    let page = machine.page("");
    let row: Vec<&str> = page.lines().nth(3).unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[1], row[3], row[4]), ("0", &*pid.to_string(), "1", "612"), "{page}");
    assert!(row.join(" ").ends_with("probably a stray sleep 60"), "{page}");
    assert!(page.contains("CUDA_VISIBLE_DEVICES=1 sleep 60\n"), "{page}");
    // Only what was chosen is shown, and judged as before.
    let chosen = machine.page("--gpu 9 --gpu GPU-00000002");
    assert!(chosen.contains("1 process holds") && chosen.contains("probably a stray"), "{chosen}");
    assert!(chosen.ends_with("\nNote: No GPU matches --gpu 9.\n"), "{chosen}");
    let other = machine.page(&format!("--pid {own}"));
    assert!(!other.contains("stray") && !other.contains("sleep"), "{other}");
}

#[test]
fn the_json_lines_are_as_the_readme_has_them() {
    let worker = Worker::start(&[("SLURM_LOCALID", "3")]);
    let pid = worker.pid();
    let lines =
        Machine::new(&format!("2\n0 {pid} 612 -1\n1 {pid} 1634 -1\n1 {ELSEWHERE} 700 -1\n"))
            .json("");
    lines.iter().for_each(is_documented);
    assert_eq!((&lines[0]["event"], &lines[0]["format"]), (&"ps".into(), &1.into()));
    assert_eq!((&lines[0]["gpus"], &lines[0]["strays"]), (&2.into(), &1.into()));
    let verdicts: Vec<_> =
        lines[1..].iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["probably_stray", "main", "alone"]);
    let stray = &lines[1];
    assert_eq!(
        (&stray["pid"], &stray["gpu"], &stray["bytes"]),
        (&pid.into(), &0.into(), &(612u64 << 20).into())
    );
    assert_eq!((&stray["rank"], &stray["rank_variable"]), (&"3".into(), &"SLURM_LOCALID".into()));
    assert_eq!(stray["command"], serde_json::json!(["sleep", "60"]));
    assert!(lines.iter().all(|line| line["host"] == lines[0]["host"]));
    // Process ids of another namespace match nothing here.
    assert!(lines[3]["command"].is_null() && lines[3]["user"].is_null());
    assert!(lines[0]["notes"][0].as_str().unwrap().contains("the host's pid namespace"));
}

#[test]
fn instances_of_a_divided_gpu_are_named() {
    let own = std::process::id();
    let machine = Machine::new(&format!("1\n0 {own} 600 3\n0 {own} 600 4\n"));
    let page = machine.page("");
    assert!(page.contains("\n0/3  ") && page.contains("\n0/4  "), "{page}");
    assert!(page.contains("Note: 1 process on a MIG instance"), "{page}");
    assert_eq!(machine.json("")[1]["mig_instance"], 3);
}

/// The exit status, and the page.
fn gate(machine: &Machine, choice: &str) -> (Option<i32>, String) {
    let output = machine.ps(&format!("{choice} --fail-on-stray"));
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_gate_has_three_exit_statuses() {
    let own = std::process::id();
    let stray = format!("2\n0 {own} 612 -1\n1 {own} 9000 -1\n");
    let lost = "fail nvmlDeviceGetComputeRunningProcesses_v3 1 15\n";
    for (lines, status) in [
        (stray.clone(), 3),
        (format!("2\n0 {own} 612 -1\n"), 0),
        (format!("2\n0 {own} 9000 -1\n1 {own} -1 -1\n"), 125),
        (format!("2\n0 {own} 9000 -1\n{lost}"), 125),
    ] {
        let output = Machine::new(&lines).ps("--fail-on-stray");
        assert_eq!(output.status.code(), Some(status), "{lines}");
        assert_eq!(errors(&output).contains("cannot judge"), status == 125, "{lines}");
    }
    let machine = Machine::new(&stray);
    assert!(machine.ps("").status.success());
    assert_eq!(gate(&machine, "--gpu 1").0, Some(3));
    // What was chosen does not exist.
    let none = "no chosen process holds a CUDA context on 2 GPUs.\n";
    let elsewhere = format!("--pid {ELSEWHERE}");
    for (choice, what) in [("--gpu 9", "GPU"), ("--gpu GPU-ffff", "GPU"), (&elsewhere, "process")] {
        let (code, page) = gate(&machine, choice);
        assert_eq!(code, Some(125), "{choice}");
        let note = format!("\nNote: No {what} matches {choice}.\n");
        assert!(page.ends_with(&format!("{none}{note}")), "{page}");
    }
    // A process without a context is found in /proc, unless the driver gives ids of another namespace.
    let worker = Worker::start(&[]);
    let choice = format!("--pid {}", worker.pid());
    let (code, page) = gate(&machine, &choice);
    assert!(code == Some(0) && page.ends_with(none), "{page}");
    let (code, page) = gate(&Machine::new(&format!("1\n0 {ELSEWHERE} 600 -1\n")), &choice);
    assert!(code == Some(125) && page.contains(&format!("No process matches {choice}.")), "{page}");
}

#[test]
fn a_call_that_fails_is_named() {
    let own = std::process::id();
    for call in ["nvmlInit_v2", "nvmlDeviceGetCount_v2"] {
        let output = Machine::new(&format!("1\nfail {call} 0 9\n")).ps("");
        assert_eq!(output.status.code(), Some(125), "{call}");
        assert!(errors(&output).contains(call), "{}", errors(&output));
    }
    // A GPU that cannot be read does not hide the others.
    for call in [
        "nvmlDeviceGetHandleByIndex_v2",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetComputeRunningProcesses_v3",
    ] {
        let page = Machine::new(&format!("2\n0 {own} 612 -1\nfail {call} 1 15\n")).page("");
        assert!(page.contains(&format!("\n  0  {own}  ")), "{page}");
        assert!(page.contains(&format!("Note: GPU 1 could not be read: {call} failed")), "{page}");
    }
}

#[test]
fn without_nvml_it_fails_and_says_why() {
    let mut command = Machine::new("1\n").command("");
    let output = limit::output(command.env("LD_LIBRARY_PATH", "/no/such/folder"));
    if output.status.success() {
        return skip("no-nvml", "without_nvml_it_fails_and_says_why", "it is here");
    }
    assert_eq!(output.status.code(), Some(125));
    for text in ["libnvidia-ml.so.1 could not be loaded", "trace --driver simulated works without"]
    {
        assert!(errors(&output).contains(text), "{}", errors(&output));
    }
}
