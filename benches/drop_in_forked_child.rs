//! Drop of a handle that was made before the fork: it must do nothing, and cheaply.

use std::fs::File;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::FromRawFd;
use std::time::{Duration, Instant};

use criterion::Criterion;
use cuda_primary_context::PrimaryContext;

use driver_benchmarks::machine::machine_or_chosen;

/// Handles that a child drops at once.
const BATCH: u64 = 10_000;

pub fn drop_in_forked_child(criterion: &mut Criterion) {
    let machine = machine_or_chosen(1);
    machine.stray(&[0]);
    let device = machine.safe.device(0);
    let handles = |count| -> Vec<PrimaryContext> {
        let retain = |_| PrimaryContext::retain(device).expect("the device can be retained");
        (0..count).map(retain).collect()
    };
    let calls = || machine.simulator.as_ref().map_or(0, |simulator| simulator.total_calls());

    let mut group = criterion.benchmark_group("drop_in_forked_child");
    // What a program does by hand: it compares the process id with that of the handle's maker.
    group.bench_function("raw", |bencher| {
        let maker = std::process::id();
        bencher.iter_custom(|count| {
            batches(count, |batch| {
                in_child(|| {
                    let began = Instant::now();
                    let strangers = (0..batch).filter(|_| std::process::id() != maker).count();
                    let took = began.elapsed();
                    assert_eq!(strangers as u64, batch);
                    took
                })
            })
        });
    });
    group.bench_function("safe", |bencher| {
        bencher.iter_custom(|count| {
            batches(count, |batch| {
                let handles = handles(batch);
                in_child(|| {
                    let before = calls();
                    let mut handles: Vec<_> = handles.into_iter().map(MaybeUninit::new).collect();
                    let began = Instant::now();
                    for handle in &mut handles {
                        // SAFETY: each was made above, and is dropped once.
                        unsafe { handle.assume_init_drop() };
                    }
                    let took = began.elapsed();
                    assert_eq!(calls(), before, "a child called the driver");
                    took
                })
            })
        });
    });
    machine.clear(&[0]);
}

fn batches(count: u64, mut run: impl FnMut(u64) -> Duration) -> Duration {
    let (whole, rest) = (count / BATCH, count % BATCH);
    let mut took = (0..whole).map(|_| run(BATCH)).sum();
    if rest > 0 {
        took += run(rest);
    }
    took
}

/// Runs `body` in a forked child, and returns what it measured.
fn in_child(body: impl FnOnce() -> Duration) -> Duration {
    let mut ends = [0; 2];
    // SAFETY: the array has room for both ends.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0, "a pipe is made");
    // SAFETY: this end was just opened, and nobody else has it.
    let mut reader = unsafe { File::from_raw_fd(ends[0]) };
    // SAFETY: as above.
    let mut writer = unsafe { File::from_raw_fd(ends[1]) };
    // SAFETY: no other thread is at work in this program, so that the child is as able as this one.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "a child is made");
    if child == 0 {
        let body = std::panic::AssertUnwindSafe(body);
        let written = std::panic::catch_unwind(body)
            .is_ok_and(|took| writer.write_all(&(took.as_nanos() as u64).to_ne_bytes()).is_ok());
        // SAFETY: ends the child at once, with nothing of the parent's run.
        unsafe { libc::_exit(i32::from(!written)) }
    }
    drop(writer);
    let mut nanoseconds = [0; 8];
    reader.read_exact(&mut nanoseconds).expect("the child measured");
    let mut status = 0;
    // SAFETY: the status is an int of ours, the child is this process's.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0, "the child failed");
    Duration::from_nanos(u64::from_ne_bytes(nanoseconds))
}
