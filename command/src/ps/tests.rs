//! The whole path from what NVML lists to what is printed.

use cuda_primary_context::checkpoint::nvml::{GpuProcess, GpuProcesses, processes};

use super::options::{GpuChoice, Options};
use super::process::ProcessFacts;
use super::snapshot::Snapshot;
use super::verdict::Verdict;
use super::{FAILED, STRAY, changes, exit_status, json, text};

fn gpu(index: u32, listed: &[(u32, Option<u64>)]) -> GpuProcesses {
    let process = |&(pid, mib): &(u32, Option<u64>)| GpuProcess {
        pid,
        bytes: mib.map(|mib| mib << 20),
        mig_instance: None,
    };
    GpuProcesses {
        index,
        uuid: Some(format!("GPU-0000000{index}-0000-0000-0000-000000000000").parse().unwrap()),
        processes: Ok(listed.iter().map(process).collect()),
    }
}

fn facts(pid: u32) -> ProcessFacts {
    match pid {
        // A container's id that is no process here.
        9 => ProcessFacts::default(),
        _ => ProcessFacts {
            is_visible: true,
            user: Some("ada".to_owned()),
            command: Some(vec!["python".to_owned(), format!("train {pid}.py\x1b[2J")]),
            rank: (pid == 41).then(|| ("LOCAL_RANK", "1".to_owned())),
            environment_is_known: pid != 43,
            ..ProcessFacts::default()
        },
    }
}

fn snapshot(gpus: &[GpuProcesses], options: &Options) -> Snapshot {
    Snapshot::of("node7".to_owned(), gpus, options, facts)
}

fn two_gpus() -> [GpuProcesses; 2] {
    // NVML lists process 42 twice.
    let first = gpu(0, &[(40, Some(9_000)), (41, Some(612)), (42, Some(518)), (42, Some(518))]);
    [first, gpu(1, &[(41, Some(80_000)), (42, Some(630)), (43, Some(700))])]
}

#[test]
fn the_page() {
    let page = text::page(&snapshot(&two_gpus(), &Options::default()));
    let expected = "\
node7: 4 processes hold CUDA contexts on 2 GPUs; 2 on several GPUs, 1 context is probably a stray.

GPU  PID  USER  RANK    MiB                      COMMAND
  0   41  ada      1    612  probably a stray    python train 41.py?[2J
  1   41  ada      1  80000  most of its memory  python train 41.py?[2J
  0   42  ada      -    518  on several GPUs     python train 42.py?[2J
  1   42  ada      -    630  on several GPUs     python train 42.py?[2J
  0   40  ada      -   9000                      python train 40.py?[2J
  1   43  ada      ?    700                      python train 43.py?[2J

What to do about process 41:
  To see which code creates the stray, start it under the trace:
    cuda-contexts trace --only one -- python 'train 41.py?[2J'
  If it needs one GPU only, show it no other:
    CUDA_VISIBLE_DEVICES=1 python 'train 41.py?[2J'
  If new threads use the wrong GPU, keep them on their creator's:
    cuda-contexts run -- python 'train 41.py?[2J'
  In the worker, after it has selected its device: PrimaryContextGuard::retain_only (Rust), \
cuda_primary_context.retain_only (Python).

Note: 1 process of another user: no rank is known. Run this as root to see it.
";
    assert_eq!(page, expected);
}

#[test]
fn nothing_is_said_plainly() {
    let page = text::page(&snapshot(&[gpu(0, &[])], &Options::default()));
    assert_eq!(page, "node7: no process holds a CUDA context on 1 GPU.\n");
}

#[test]
fn a_choice_does_not_change_the_verdict() {
    let options = Options { gpus: vec![GpuChoice::Index(0)], pids: vec![41], ..Options::default() };
    let chosen = snapshot(&two_gpus(), &options);
    assert_eq!(chosen.processes.len(), 1);
    let verdicts: Vec<_> =
        chosen.processes[0].contexts.iter().map(|context| context.verdict).collect();
    assert_eq!(verdicts, [Verdict::ProbablyStray, Verdict::Main]);
}

#[test]
fn the_gate_fails_if_it_cannot_judge() {
    let gate = Options { fail_on_stray: true, ..Options::default() };
    let status = |gpus: &[GpuProcesses]| exit_status(&snapshot(gpus, &gate), &gate);
    assert_eq!(status(&two_gpus()), STRAY);
    assert_eq!(status(&[gpu(0, &[(1, Some(600))]), gpu(1, &[])]), 0);
    // A size that is not known, and a GPU that cannot be asked.
    assert_eq!(status(&[gpu(0, &[(1, None)]), gpu(1, &[(1, Some(9_000))])]), FAILED);
    let lost = GpuProcesses { processes: Err(processes().unwrap_err()), ..gpu(1, &[]) };
    assert_eq!(status(&[gpu(0, &[(1, Some(9_000))]), lost.clone()]), FAILED);
    let notes = snapshot(&[gpu(0, &[]), lost], &gate).notes;
    assert!(notes[0].starts_with("GPU 1 could not be read: "), "{notes:?}");
}

#[test]
fn process_ids_of_another_namespace_are_said() {
    let snapshot = snapshot(&[gpu(0, &[(9, Some(600))])], &Options::default());
    assert!(snapshot.notes[0].contains("the host's pid namespace"), "{:?}", snapshot.notes);
    assert!(
        text::page(&snapshot).contains("  0    9  ?        ?  600      ?\n"),
        "{}",
        text::page(&snapshot)
    );
}

#[test]
fn a_line_of_json_has_all_and_the_host() {
    let lines = json::lines(&snapshot(&two_gpus(), &Options::default())).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["format"], 1);
    assert_eq!((&lines[0]["strays"], &lines[0]["complete"]), (&1.into(), &true.into()));
    assert_eq!(lines.len(), 7);
    let stray = &lines[1];
    assert_eq!(stray["host"], "node7");
    assert_eq!((&stray["gpu"], &stray["pid"]), (&0.into(), &41.into()));
    assert_eq!(stray["uuid"], "GPU-00000000-0000-0000-0000-000000000000");
    assert_eq!(stray["bytes"], 612u64 << 20);
    assert_eq!(stray["verdict"], "probably_stray");
    assert_eq!((&stray["rank"], &stray["rank_variable"]), (&"1".into(), &"LOCAL_RANK".into()));
    // JSON has what the process set, escaped.
    assert_eq!(stray["command"][1], "train 41.py\x1b[2J");
}

#[test]
fn a_watch_prints_what_changed() {
    let before = text::lines(&snapshot(&[gpu(0, &[(40, Some(600))])], &Options::default()));
    let now =
        text::lines(&snapshot(&[gpu(0, &[(40, Some(700)), (42, Some(1))])], &Options::default()));
    let changes = changes(&before, &now);
    let signs: Vec<char> = changes.lines().map(|line| line.chars().next().unwrap()).collect();
    assert_eq!(signs, ['-', '+', '+'], "{changes}");
    assert!(changes.starts_with("- 0  40  ada  -  600  python"), "{changes}");
}
