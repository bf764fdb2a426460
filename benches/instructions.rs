//! Instructions of the safe layer beside the raw calls, counted by Callgrind: `.ci/instructions`.
//!
//! Each body runs once before it is counted, so that symbols are bound and first allocations are made.

use std::hint::black_box;

use cuda_primary_context::Device;
use cuda_primary_context::sys::CUdevice;
use driver_benchmarks::machine::{Machine, simulated};
use gungraun::{library_benchmark, library_benchmark_group};

struct Subject {
    machine: &'static Machine,
    safe: Device,
    raw: CUdevice,
}

impl Subject {
    /// The kept device's context stays active: the reference count is measured, not the creation of a context.
    fn new(devices: u32) -> Self {
        let machine: &Machine = Box::leak(Box::new(simulated(devices)));
        let kept = machine.kept();
        machine.stray(&[kept]);
        Self { machine, safe: machine.safe.device(kept), raw: machine.raw.device(kept) }
    }

    fn stray_on_all(&self) {
        self.machine.stray(&self.machine.others());
    }
}

#[inline(always)]
fn retain_only_safe(subject: &Subject) {
    let layer = &subject.machine.safe;
    let kept = layer.retain_only(subject.safe).expect("the device can be retained");
    black_box(layer.release(kept)).expect("Drop reports no error");
}

#[inline(always)]
fn retain_only_raw(subject: &Subject) {
    let layer = &subject.machine.raw;
    let kept = layer.retain_only(subject.raw).expect("the device can be retained");
    black_box(layer.release(kept)).expect("the device was retained");
}

fn none_stray(devices: u32) -> Subject {
    let subject = Subject::new(devices);
    retain_only_safe(&subject);
    retain_only_raw(&subject);
    subject
}

fn all_stray(devices: u32) -> Subject {
    let subject = Subject::new(devices);
    subject.stray_on_all();
    retain_only_safe(&subject);
    subject.stray_on_all();
    retain_only_raw(&subject);
    subject.stray_on_all();
    subject
}

/// The two bodies under the same names; the group compares them by these names.
macro_rules! retain_only {
    ($name:ident, $body:ident) => {
        #[library_benchmark]
        #[bench::none_stray_1(args = (1), setup = none_stray)]
        #[bench::none_stray_8(args = (8), setup = none_stray)]
        #[bench::none_stray_64(args = (64), setup = none_stray)]
        #[bench::none_stray_1024(args = (1024), setup = none_stray)]
        #[bench::all_stray_2(args = (2), setup = all_stray)]
        #[bench::all_stray_8(args = (8), setup = all_stray)]
        #[bench::all_stray_64(args = (64), setup = all_stray)]
        fn $name(subject: Subject) -> Subject {
            $body(&subject);
            subject
        }
    };
}
retain_only!(raw, retain_only_raw);
retain_only!(safe, retain_only_safe);

#[library_benchmark]
#[bench::retain_and_release(args = (1), setup = none_stray)]
fn pair_raw(subject: Subject) -> Subject {
    let layer = &subject.machine.raw;
    let context = layer.retain(subject.raw).expect("the device can be retained");
    black_box(layer.release(context)).expect("the device was retained");
    subject
}

#[library_benchmark]
#[bench::retain_and_release(args = (1), setup = none_stray)]
fn pair_safe(subject: Subject) -> Subject {
    let layer = &subject.machine.safe;
    let context = layer.retain(subject.safe).expect("the device can be retained");
    black_box(layer.release(context)).expect("Drop reports no error");
    subject
}

library_benchmark_group!(name = retain_only; compare_by_id = true; benchmarks = raw, safe);
library_benchmark_group!(name = retain_and_release; compare_by_id = true; benchmarks = pair_raw, pair_safe);
gungraun::main!(library_benchmark_groups = retain_only, retain_and_release);
