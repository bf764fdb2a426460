//! The whole path from what NVML lists to what is printed.

use cuda_primary_context::checkpoint::nvml::{GpuProcess, GpuProcesses};

use super::options::Options;
use super::process::ProcessFacts;
use super::snapshot::Snapshot;
use super::text;

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

/// What would clear the terminal.
fn hostile(pid: u32) -> &'static str {
    if pid == 42 { "\x1b[2J" } else { "" }
}

fn facts(pid: u32) -> ProcessFacts {
    ProcessFacts {
        is_visible: true,
        user: Some("ada".to_owned()),
        command: Some(vec!["python".to_owned(), format!("train {pid}.py{}", hostile(pid))]),
        rank: (pid == 41).then(|| ("LOCAL_RANK", "1".to_owned())),
        environment_is_known: pid != 43,
        ..ProcessFacts::default()
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
  0   41  ada      1    612  probably a stray    python train 41.py
  1   41  ada      1  80000  most of its memory  python train 41.py
  0   42  ada      -    518  on several GPUs     python train 42.py\\u{1b}[2J
  1   42  ada      -    630  on several GPUs     python train 42.py\\u{1b}[2J
  0   40  ada      -   9000                      python train 40.py
  1   43  ada      ?    700                      python train 43.py

What to do about process 41:
  To see which code creates the stray, start it under the trace:
    cuda-contexts trace --only one -- python 'train 41.py'
  If it needs one GPU only, show it no other:
    CUDA_VISIBLE_DEVICES=1 python 'train 41.py'
  If new threads use the wrong GPU, keep them on their creator's:
    cuda-contexts run -- python 'train 41.py'
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
fn a_command_that_cannot_be_pasted_is_left_out() {
    let gpus = [gpu(0, &[(42, Some(600))]), gpu(1, &[(42, Some(900))])];
    let page = text::page(&snapshot(&gpus, &Options::default()));
    assert!(page.contains("  cuda-contexts trace --only one -- COMMAND\n"), "{page}");
    assert!(!page.contains('\x1b'), "{page}");
}
