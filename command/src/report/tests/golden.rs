use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::{CTYPES, CUBLAS, CUDART, FFI, Run, python, reference};
use crate::only::Only;
use crate::options::Forbid;
use crate::record::{Address, Change, Event, Holding};
use crate::untraced::{Reason, Untraced};

const DEVICE_0: &str = "device 0 (GPU-00000000-0000-0000-0000-000000000000)";

#[test]
fn a_stray_of_a_thread_that_lives() {
    let mut run = Run::new();
    run.about.options.only = Some(Only::LocalRank);
    run.process(1, |process| {
        process.variables = vec![("LOCAL_RANK".to_owned(), "1".to_owned())];
        process.local_rank = Some(1);
    });
    run.init(CUDART).device(1, Some(true)).retain(1, CUDART, 1, true).retain(1, CUBLAS, 1, false);
    run.thread(150).device(0, Some(false));
    run.call("cuDevicePrimaryCtxRetain", 0, FFI, |call| {
        (call.device, call.created) = (Some(0), true);
        call.reference = Some(reference(FFI, 1));
        call.thread = Some("prefetch".to_owned());
        call.native.push(Address { module: CTYPES, address: 0x80 });
        call.python = vec![python("train.py", 7, "use"), python("train.py", 12, "prefetch")];
    });
    run.exit(&[(150, "prefetch")]);
    run.reports(include_str!("golden/stray_of_a_thread.txt"));
}

#[test]
fn a_stray_that_its_thread_brought_back() {
    let warning = "  the same thread created the context again after it was destroyed: a release does not last";
    for (thread, next) in [
        (150, "  next: call cudaSetDevice in that thread"),
        (101, "  next: select the device before this line runs (cudaSetDevice)"),
    ] {
        let mut run = Run::new();
        run.about.options.only = Some(Only::parse("1").unwrap());
        run.process(1, |_| {}).device(0, Some(false));
        run.thread(thread).retain(0, CUDART, 1, true);
        run.call("cuDevicePrimaryCtxRelease_v2", 0, CUBLAS, |call| {
            (call.device, call.ended, call.reference) = (Some(0), true, Some(reference(CUDART, 0)));
        });
        assert!(!run.text().contains("does not last"));
        // Another thread that creates it again says nothing of the first one.
        run.thread(160).retain(0, CUDART, 1, true).thread(thread);
        assert!(!run.text().contains("does not last"));
        run.retain(0, CUDART, 1, true).says(&[warning, next]);
        run.release(0, CUBLAS, CUDART, 0);
        assert!(!run.text().contains("does not last"), "it is not held");
        if thread == 150 {
            run.retain(0, CUDART, 1, true).exit(&[]).says(&["  the thread has ended"]);
            assert!(!run.text().contains("does not last"), "the thread has ended");
        }
    }
    // It released its own reference.
    let mut run = Run::new();
    run.about.options.only = Some(Only::parse("1").unwrap());
    run.process(1, |_| {}).device(0, Some(false)).thread(150);
    run.retain(0, CUDART, 1, true);
    run.call("cuDevicePrimaryCtxRelease_v2", 0, CUDART, |call| {
        (call.device, call.ended, call.reference) = (Some(0), true, Some(reference(CUDART, 0)));
    });
    run.retain(0, CUDART, 1, true);
    assert!(!run.text().contains("does not last"));
}

/// Each thread creates a context on device 0, after the main thread has created one on device 1.
#[test]
fn what_to_do_next_about_a_thread() {
    let retain = "cuDevicePrimaryCtxRetain";
    let run = "call cudaSetDevice in that thread, or start the program with cuda-contexts run";
    let later =
        "call cudaSetDevice in that thread, or create it after its creator has selected its device";
    let change = "change this line: it selects the device itself";
    let inherited: &str = &format!("{change} (the thread began on its creator's device)");
    let back = ", but if that thread still runs, the context comes back";
    let release: &str = &format!("; retain_only releases what is left{back}");
    for (keeps, began_on, function, cure, release) in [
        (false, None, retain, run, release),
        (false, Some((150, 1)), retain, inherited, release),
        (false, Some((150, 0)), retain, later, release),
        (false, Some((160, 1)), retain, later, release),
        (true, None, retain, later, release),
        // It names its device, and retain_only releases primary contexts.
        (false, None, "cuCtxCreate_v4", change, ""),
    ] {
        let mut run = Run::new();
        run.about.options.only = Some(Only::parse("1").unwrap());
        run.about.options.keep_threads = keeps;
        run.process(1, |_| {}).device(1, Some(true)).retain(1, CUDART, 1, true);
        run.device(0, Some(false));
        if let Some((tid, device)) = began_on {
            run.thread(tid).started_thread(device, None);
        }
        run.thread(150).call(function, 0, CUDART, |call| {
            (call.device, call.created) = (Some(0), true);
            call.reference = (function == retain).then(|| reference(CUDART, 1));
        });
        run.says(&[&format!("  next: {cure}{release}")]);
    }
}

#[test]
fn ranks_with_the_same_stacks_are_one_block() {
    let mut run = Run::new();
    run.about.options.only = Some(Only::LocalRank);
    run.about.options.forbid = Some(Forbid::Made);
    for rank in 0..8 {
        run.process(rank + 1, |process| {
            process.variables = vec![("LOCAL_RANK".to_owned(), rank.to_string())];
            process.local_rank = Some(rank);
        });
        run.init(CUDART).device(rank, Some(true)).retain(rank as i32, CUDART, 1, true);
        if rank > 0 {
            run.device(0, Some(false)).thread(200 + rank).retain(0, CUBLAS, 1, true);
        }
        run.exit(&[]);
    }
    run.judged().reports(include_str!("golden/ranks.txt"));
}

#[test]
fn every_line_of_a_device() {
    let mut run = Run::new();
    run.process(1, |_| {}).init(CUDART).device(2, None);
    run.retain(2, CUDART, 1, true).retain(2, CUDART, 2, false).release(2, CUDART, CUDART, 1);
    run.retain(2, CUBLAS, 1, false).release(2, CUBLAS, CUBLAS, 0).release(2, CUBLAS, CUDART, 0);
    run.call("cuDevicePrimaryCtxRelease_v2", 0, CUBLAS, |call| call.device = Some(2));
    for context in 1..=10 {
        run.call("cuCtxCreate_v4", 0, 0, |call| {
            (call.device, call.created, call.context) = (Some(2), true, context);
            call.visible_changed = context == 1;
            let holding = Holding::OrdinaryContext;
            call.other =
                Some(Change { module: 0, holding, count: context as u32, number: context as u32 });
        });
    }
    run.call("cuCtxDestroy_v2", 0, 0, |call| {
        (call.device, call.ended, call.context) = (Some(2), true, 1);
        let holding = Holding::OrdinaryContext;
        call.other = Some(Change { module: 0, holding, count: 9, number: 11 });
    });
    run.call("cuGreenCtxCreate", 0, CUBLAS, |call| {
        (call.device, call.created, call.context) = (Some(2), true, 99);
        call.other =
            Some(Change { module: CUBLAS, holding: Holding::GreenContext, count: 1, number: 1 });
    });
    run.call("cuDevicePrimaryCtxRelease_v2", 800, CUDART, |call| call.device = Some(2));
    for _ in 0..2 {
        run.call("cuDevicePrimaryCtxRelease_v2", 201, CUDART, |call| call.device = Some(2));
    }
    run.call("cuDevicePrimaryCtxReset_v2", 4, CUDART, |call| {
        (call.device, call.after_exit) = (Some(2), true);
    });
    run.call("cuCtxCreate_v4", 0, CUDART, |call| (call.device, call.result) = (Some(2), None));
    run.call("cuCtxDestroy_v2", 201, CUDART, |_| {});
    run.call("cuCtxDestroy_v2", 0, CUDART, |call| (call.result, call.uncounted) = (None, true));
    for name in [None, Some("a"), Some("b"), Some("a"), Some("c"), Some("d"), Some("e"), Some("f")]
    {
        run.started_thread(2, name);
    }
    run.add(Event::Bypass("/opt/libcuda.so.1".into()));
    run.reports(include_str!("golden/device.txt"));
}

#[test]
fn a_context_on_an_unknown_device() {
    for result in [Some(0), None] {
        let mut run = Run::new();
        run.about.options.forbid = Some(Forbid::Made);
        run.process(1, |_| {}).init(CUDART);
        // More calls than are kept.
        for _ in 0..20 {
            run.call("cuCtxDestroy_v2", 201, CUDART, |_| {});
        }
        run.call("cuCtxCreate_v4", 0, CUDART, |call| {
            (call.result, call.created) = (result, result.is_some());
        });
        run.judged().says(&[
            "cuda-contexts: No CUDA context was seen, but 1 call may have created one (see below).",
            "  Process 101 created a context on an unknown device, or began to.",
        ]);
    }
}

#[test]
fn strays_that_were_released_and_a_stray_of_the_main_thread() {
    let mut run = Run::new();
    (run.about.options.only, run.about.options.deny) = (Some(Only::parse("1").unwrap()), true);
    run.process(1, |_| {}).init(CUDART).device(0, Some(false)).device(2, Some(false));
    run.retain(0, CUDART, 1, true).retain(2, CUDART, 1, true).release(2, CUDART, CUDART, 0);
    run.process(2, |_| {}).init(CUDART).device(1, Some(true)).retain(1, CUDART, 1, true);
    run.process(3, |_| {});
    let cure = "  next: select the device before this line runs (cudaSetDevice)";
    run.judged().says(&[
        &format!(
            "cuda-contexts: 1 of 2 processes holds 1 stray on {DEVICE_0}. 1 more stray was released."
        ),
        "cuda-contexts: Exit status 3 by --deny.",
        &format!("STRAY on {DEVICE_0} in process 101: python train.py"),
        &format!("{cure}, or release the stray afterwards with retain_only"),
        "  libcudart.so.13 retained it once, and released it once at 1.100 s",
        "  held at the end: nothing",
        cure,
        "1 more process loaded the driver without initialising it.",
    ]);
    let mut run = Run::new();
    run.about.options.only = Some(Only::LocalRank);
    run.about.options.forbid = Some(Forbid::Held);
    run.process(1, |process| process.local_rank = Some(1)).device(0, Some(false));
    run.thread(150).retain(0, CUDART, 1, true).release(0, CUDART, CUDART, 0);
    run.says(&[
        &format!("cuda-contexts: 1 process created 1 stray on {DEVICE_0}, and released it."),
        "  next: call cudaSetDevice in that thread",
    ]);
}

#[test]
fn one_device_for_each_process() {
    let mut run = Run::new();
    run.about.options.only = Some(Only::One);
    for process in 1..=2 {
        run.process(process, |_| {}).init(CUDART);
        for device in 0..process {
            run.device(device, None).retain(device as i32, CUDART, 1, true);
        }
    }
    let device_1 = "device 1 (GPU-01010101-0101-0101-0101-010101010101)";
    run.says(&[
        &format!(
            "cuda-contexts: 1 of 2 processes holds contexts on more than one device: {DEVICE_0} and \
             {device_1}."
        ),
        &format!("STRAY on {DEVICE_0} in process 102: python train.py"),
        "  next: if the process should use another device, select the device before this line runs \
         (cudaSetDevice), or release the stray afterwards with retain_only",
        &format!("  {DEVICE_0}, allowed"),
        &format!("  {DEVICE_0} is a stray, see above"),
        &format!("  {device_1} is a stray, see above"),
    ]);
}

#[test]
fn refused_contexts() {
    let mut run = Run::new();
    run.about.options.only = Some(Only::parse("1").unwrap());
    run.about.options.deny = true;
    run.process(1, |_| {}).init(CUDART).device(0, Some(false));
    run.call("cuDevicePrimaryCtxRetain", 800, CUDART, |call| {
        (call.device, call.denied) = (Some(0), true);
    });
    run.says(&[
        "cuda-contexts: Refused 1 context outside the allowed devices (--only 1).",
        &format!("  {DEVICE_0}, not allowed"),
        "    cuDevicePrimaryCtxRetain by libcudart.so.13 returned CUDA_ERROR_NOT_PERMITTED (800) (by \
         --deny) at 0.800 s",
    ]);
}

#[test]
fn a_child_that_was_forked_too_late() {
    let mut run = Run::new();
    run.process(1, |process| process.parent = 9);
    run.call("cuInit", 0, FFI, |call| call.python = vec![python("train.py", 3, "probe")]);
    run.process(2, |process| (process.forked_from, process.parent) = (Some(1), 101));
    run.call("cuInit", 3, FFI, |call| call.python = vec![python("train.py", 6, "worker")]);
    run.call("cuDevicePrimaryCtxRetain", 3, FFI, |_| {}).exit(&[]);
    run.reports(include_str!("golden/forked.txt"));
}

#[test]
fn a_killed_program_that_may_create_no_context_and_replaced_itself_before() {
    let mut run = Run::new();
    run.about.options.forbid = Some(Forbid::Made);
    run.about.status = Some(ExitStatus::from_raw(libc::SIGSEGV));
    run.process(1, |_| {}).device(0, Some(false)).retain(0, CUDART, 1, true);
    run.process(2, |process| (process.start, process.host_pid) = (1, Some(101)));
    run.init(CUDART).says(&[
        &format!("cuda-contexts: 1 of 2 processes holds 1 stray on {DEVICE_0}."),
        "cuda-contexts: The program was killed by SIGSEGV.",
        "  next: run this line later, after the process has selected its device",
        "  replaced by another program (exec) at 0.800 s",
        "  killed by SIGSEGV",
    ]);
}

#[test]
fn a_run_that_cannot_be_judged() {
    let mut run = Run::new();
    run.about.options.only = Some(Only::parse("0,7,GPU-ab").unwrap());
    run.about.options.forbid = Some(Forbid::Made);
    run.process(1, |_| {}).device(0, Some(true)).retain(0, CUDART, 1, true);
    run.call("cuCtxCreate_v4", 0, CUDART, |call| call.created = true);
    run.call("cuCtxCreate_v4", 0, CUDART, |call| (call.device, call.uncounted) = (Some(0), true));
    run.add(Event::Bypass("/opt/libcuda.so.1".into()));
    let reasons = [Reason::ByPath, Reason::EnvironmentCleared, Reason::SetUid, Reason::OtherUser];
    let untraced = (4..).zip(reasons).map(|(pid, reason)| Untraced {
        pid,
        command: "sleep 9".to_owned(),
        library: "/x/libcuda.so.1".into(),
        reason,
    });
    run.about.untraced = untraced.collect();
    run.about.living = vec![(9, "sleep 9".to_owned())];
    (run.about.lost, run.about.damaged) = (2, true);
    run.about.unreadable = vec![(8, "sudo id".to_owned())];
    run.about.opens_were_missed = Some("/lib/libcuda.so.1: Too many open files".to_owned());
    run.about.has_unseen = true;
    let loaded = |pid, why| {
        format!("  Process {pid} loaded /x/libcuda.so.1, which is not traced: {why} (sleep 9).")
    };
    let seen = "no strays seen, but 1 call may have created one (see below)";
    run.judged().says(&[
        &format!("cuda-contexts: CUDA contexts in 1 process on {DEVICE_0}: {seen}."),
        "cuda-contexts: Exit status 125, because --forbid could not judge everything (--allow-untraced \
         accepts that):",
        "  Device 7 does not exist: no process sees more than 4 devices.",
        "  No process sees a device GPU-ab.",
        "  Process 101 created a context on an unknown device, or began to.",
        "  Process 101 also loaded /opt/libcuda.so.1, which is not traced.",
        "  Process 101 holds more than the witness can count.",
        &loaded(4, "it was opened by its path, or found by a path inside the program"),
        &loaded(5, "it was started without an LD_LIBRARY_PATH that leads to the witness first"),
        &loaded(6, "the loader ignores LD_LIBRARY_PATH in a set-uid program"),
        &loaded(7, "it runs as another user, who may not enter the command's folder"),
        "  A process loaded the trace's library but wrote no record: it could not open the trace's memory.",
        "  2 events were lost: the shared memory was full.",
        "  The program overwrote the trace's shared memory: records may be missing or wrong.",
        "  Process 8 could not be looked at: permission denied (sudo id).",
        "  It could not be watched whether processes open /lib/libcuda.so.1: Too many open files.",
        "  Process 9 still runs and is no longer traced: sleep 9",
        "",
        "  the witness had no room to count all references: the numbers are too low",
    ]);
    let mut run = Run::new();
    run.about.options.only = Some(Only::LocalRank);
    run.about.options.deny = true;
    // A rank among all machines is none on this one.
    run.process(1, |process| process.variables = vec![("RANK".to_owned(), "1".to_owned())]);
    run.device(0, None).retain(0, CUDART, 1, true);
    run.process(2, |process| process.local_rank = Some(1)).device(0, None);
    run.retain(0, CUDART, 1, true);
    run.process(3, |process| process.local_rank = Some(9)).device(0, None);
    run.retain(0, CUDART, 1, true);
    run.process(4, |process| {
        process.variables = vec![("SLURM_LOCALID".to_owned(), "1\n".to_owned())];
    });
    run.device(0, None).retain(0, CUDART, 1, true);
    let reason = |pid, why| format!("  Process {pid} created a context on {DEVICE_0}, but {why}.");
    run.judged().says(&[
        &format!(
            "cuda-contexts: CUDA contexts in 4 processes on {DEVICE_0}: not all of them can be judged \
             (see below)."
        ),
        "cuda-contexts: Exit status 125, because --deny could not judge everything (--allow-untraced \
         accepts that):",
        &reason(101, "no launcher set a rank (LOCAL_RANK)"),
        &reason(102, "its devices could not be listed"),
        &reason(103, "there is no device for its rank 9"),
        &reason(104, r#"SLURM_LOCALID is "1\n", which is not a rank"#),
        &format!("  {DEVICE_0}, cannot be judged, because no launcher set a rank (LOCAL_RANK)"),
        &format!("  {DEVICE_0}, cannot be judged, because there is no device for its rank 9"),
        &format!(
            r#"  {DEVICE_0}, cannot be judged, because SLURM_LOCALID is "1\n", which is not a rank"#
        ),
    ]);
}

#[test]
fn strings_of_the_program_cannot_forge_lines() {
    let mut run = Run::new();
    let evil = "a\x1b[31m\nSTRAY device 9";
    run.process(1, |process| process.arguments = vec![evil.to_owned(), "x".repeat(1000)]);
    run.call("cuInit", 0, FFI, |call| call.python = vec![python(evil, 3, "f\r\x07g")]);
    run.about.living = vec![(9, evil.to_owned())];
    let shown = r"a\u{1b}[31m\nSTRAY device 9";
    run.says(&[
        &format!("Process 101: {shown} {}…", "x".repeat(300 - 3 - evil.len())),
        &format!("  cuInit by {shown}:3 (ctypes) at 0.600 s"),
        &format!(r"    {shown}:3 in f\r\u{{7}}g"),
        &format!("Process 9 still runs and is no longer traced: {shown}"),
    ]);
}
