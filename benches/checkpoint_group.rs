//! A group suspended and resumed at once, beside one process after the other and beside one process alone. The
//! simulated driver takes 20 ms for each checkpoint and 10 ms for each restore, as the real one takes seconds.

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use cuda_primary_context::checkpoint::{GpuMap, Process, Room, Steps};
use simulated_libcuda::{Knob, Simulator};

/// A forked process with a context, until it is dropped.
struct Worker {
    pid: libc::pid_t,
}

impl Worker {
    fn start(simulator: &Simulator) -> Self {
        let (mut parents, mut childs) = UnixStream::pair().expect("a pair of sockets");
        // SAFETY: this process has one thread; the child calls the simulated driver and sleeps.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "a child is made");
        if pid == 0 {
            simulator.initialize();
            simulator.retain_by_others(0, 1);
            childs.write_all(&[1]).expect("the parent listens");
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        drop(childs);
        parents.read_exact(&mut [0]).expect("the child stands");
        Self { pid }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // SAFETY: our own child, not waited for yet.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        // SAFETY: as above; its status is of no interest.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
    }
}

fn checkpoint_group(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkpoint-group");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the machine");
    let simulator = Simulator::builder()
        .visible_devices(None)
        .machine(folder.join("machine"))
        .knob(Knob::CheckpointMilliseconds, 20)
        .knob(Knob::RestoreMilliseconds, 10)
        .start();
    let workers: Vec<Worker> = (0..8).map(|_| Worker::start(&simulator)).collect();
    let cycle = |steps: Steps<'_>, count: usize| {
        let processes = workers[..count].iter().map(|worker| {
            // SAFETY: the simulator is a CUDA driver as far as the crate calls it.
            unsafe { Process::open_from(simulator.path(), worker.pid as u32) }.expect("it lives")
        });
        let suspended = steps.suspend(processes, Duration::from_secs(5)).expect("all can be");
        steps.resume(suspended, &GpuMap::same(), &Room::Trusted).expect("there is room");
    };
    let mut group = criterion.benchmark_group("checkpoint_group");
    group.sample_size(10);
    group.bench_function("one", |bencher| bencher.iter(|| cycle(Steps::new(), 1)));
    group.bench_function("eight_at_once", |bencher| bencher.iter(|| cycle(Steps::new(), 8)));
    let one_by_one = Steps::new().at_once(1);
    group.bench_function("eight_one_by_one", |bencher| bencher.iter(|| cycle(one_by_one, 8)));
    group.finish();
    drop(workers);
    let _ = fs::remove_dir_all(&folder);
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(150)).without_plots();
    targets = checkpoint_group
}
criterion_main!(benches);
