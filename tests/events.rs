//! The feature `tracing`: what is told of every release, skip and failure, and of what Drop could
//! not do.

mod support;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use cuda_primary_context::{Device, PrimaryContext, PrimaryContextGuard, TRACING_TARGET};
use simulated_libcuda::Fault;
use support::machine;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps every event as a line, and uses the crate while it is told of it.
struct Listener {
    lines: Arc<Mutex<Vec<String>>>,
    device: Device,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a string takes everything");
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        assert_eq!(event.metadata().target(), TRACING_TARGET);
        // Waits for a sweep of the device: an event sent during one would never come back.
        drop(PrimaryContext::retain_if_active(self.device).expect("this process was not forked"));
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The events of `action`.
fn events(device: Device, action: impl FnOnce()) -> Vec<String> {
    let lines = Arc::default();
    let listener = Listener { lines: Arc::clone(&lines), device };
    tracing::subscriber::with_default(listener, action);
    let lines = lines.lock().unwrap();
    lines.clone()
}

#[test]
fn every_device_of_a_release_is_told_of() {
    let machine = machine(6);
    machine.stray(&[1, 0, 0, 1, 2, 1]);
    let held = PrimaryContext::retain(machine.device(3)).unwrap();
    machine.simulator.set_current(Some(0));
    let fault = Fault::of("cuDevicePrimaryCtxRelease_v2", 1).device(5).code(999).refused().once();
    machine.simulator.inject(fault);
    let told = events(machine.device(0), || {
        drop(PrimaryContextGuard::retain_only(machine.device(1)).unwrap());
    });
    let expected = [
        "INFO message=stale primary context released device=0 outcome=\"released\" releases=1",
        "DEBUG message=nothing to release device=1 outcome=\"kept\"",
        "DEBUG message=nothing to release device=2 outcome=\"already_inactive\"",
        "DEBUG message=primary context held by live handles device=3 outcome=\"held_here\" handles=1",
        "INFO message=primary context still held by others device=4 outcome=\"still_active\" \
         releases=1",
        "WARN message=primary context not released device=5 outcome=\"failed\" code=999 \
         releases=0 active=true error=cuDevicePrimaryCtxRelease_v2 on device 5 answered CUDA_ERROR_UNKNOWN (999)",
        "INFO message=the thread's current context was switched from=0 to=1",
    ];
    assert_eq!(told, expected);
    drop(held);
}

#[test]
fn drop_tells_what_it_could_not_do() {
    let machine = machine(1);
    for code in [4, 201, 719] {
        let context = PrimaryContext::retain(machine.device(0)).unwrap();
        let fault = Fault::of("cuDevicePrimaryCtxRelease_v2", 1).code(code).refused().once();
        machine.simulator.inject(fault);
        let told = events(machine.device(0), || drop(context));
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("WARN message=a dropped handle could not"), "{told:?}");
        assert!(told[0].contains(&format!("device=0 code={code}")), "{told:?}");
    }
    let context = PrimaryContext::retain(machine.device(0)).unwrap();
    assert!(events(machine.device(0), || drop(context)).is_empty(), "a release that worked");
}
