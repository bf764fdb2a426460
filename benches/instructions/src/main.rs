//! Every operation a fixed number of times, for callgrind to count its instructions: `.ci/instructions`
//! runs it, and compares.
//!
//! Callgrind collects inside of [`measured`] alone, and writes one profile after each call of it; the
//! lines printed here name the profiles in their order.

#[path = "../../support/mod.rs"]
mod support;

use std::hint::black_box;

use cuda_primary_context::StrayRelease;
use support::machine::{Machine, machine};
use support::twins::Twins;

/// How often each body runs within one profile.
const TIMES: u32 = 100;

/// The one function inside of which instructions are counted.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "Rust" fn measured(body: &mut dyn FnMut()) {
    body();
}

fn main() {
    println!("times {TIMES}");
    for devices in [1, 2, 8, 16, 64, 1024] {
        release_path(devices);
    }
    primary_context();
    audit(8);
    audit(64);
    plan(8);
}

/// Both variants.
fn count<T, U>(name: &str, before: impl Fn(), twins: Twins<impl Fn() -> T, impl Fn() -> U>) {
    count_one(name, "raw", &before, twins.raw);
    count_one(name, "safe", &before, twins.safe);
}

/// One variant, once without being counted: lazy binding and first allocations are over.
fn count_one<T>(name: &str, variant: &str, before: impl Fn(), body: impl Fn() -> T) {
    before();
    black_box(body());
    println!("{name} {variant}");
    for time in 0..TIMES {
        before();
        match time + 1 == TIMES {
            // Callgrind writes a profile after this one; those before it only add to it.
            true => measured_last(&mut || drop(black_box(body()))),
            false => measured(&mut || drop(black_box(body()))),
        }
    }
}

/// Calls [`measured`]; the profile of an operation is written when this returns.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "Rust" fn measured_last(body: &mut dyn FnMut()) {
    measured(body);
}

fn release_path(devices: u32) {
    let machine = machine(devices).expect("instructions are counted on the simulator");
    let kept = machine.kept();
    let others: Vec<u32> = (0..devices).filter(|&device| device != kept).collect();
    machine.stray(&[kept]);
    retain_only(&machine, "no_stray", &[]);
    if !others.is_empty() {
        retain_only(&machine, "all_stray", &others);
    }
}

fn retain_only(machine: &Machine, name: &str, stray: &[u32]) {
    let twins = twins!(machine, machine.kept(), |layer, device| {
        let kept = layer.retain_only(device).expect("the device can be retained");
        layer.release(kept).is_ok()
    });
    let before = || machine.stray(stray);
    twins.compare(machine, before);
    let name = format!("retain_only/{name}/{}", machine.devices());
    count(&name, before, twins);
    let (layer, device) = (&machine.counted, machine.counted.device(machine.kept()));
    count_one(&name, "counted", before, || {
        let kept = layer.retain_only(device).expect("the device can be retained");
        layer.release(kept).is_ok()
    });
}

fn primary_context() {
    let machine = machine(1).expect("instructions are counted on the simulator");
    machine.stray(&[0]);
    let twins = twins!(machine, 0, |layer, device| {
        let context = layer.retain(device).expect("the device can be retained");
        layer.release(context).is_ok()
    });
    twins.compare(&machine, || ());
    count("primary_context", || (), twins);
    let (layer, device) = (&machine.counted, machine.counted.device(0));
    count_one(
        "primary_context",
        "counted",
        || (),
        || {
            let context = layer.retain(device).expect("the device can be retained");
            layer.release(context).is_ok()
        },
    );
}

fn audit(devices: u32) {
    let machine = machine(devices).expect("instructions are counted on the simulator");
    machine.stray(&[0]);
    let twins = twins!(machine, 0, |layer, _device| layer.audit().expect("every device answers"));
    twins.compare(&machine, || ());
    count(&format!("audit/{devices}"), || (), twins);
}

/// The dry run, beside the raw audit, which makes one call more: that for the kept device.
fn plan(devices: u32) {
    let machine = machine(devices).expect("instructions are counted on the simulator");
    let device = machine.safe.device(machine.kept());
    let twins = Twins {
        safe: || {
            let plan = StrayRelease::new().plan(device).expect("the process is the first");
            plan.devices().count()
        },
        raw: || machine.raw.audit().expect("every device answers").0 as usize,
    };
    count(&format!("plan/{devices}"), || (), twins);
}
