//! The feature `tracing`: the events of every release, skip and failure, and of what Drop could
//! not do.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use crate::support::{GET_STATE, RELEASE, machine, machine_with};
use cuda_primary_context::{
    Device, Error, PrimaryContext, PrimaryContextGuard, ReleaseError, StrayRelease, TRACING_TARGET,
};
use simulated_libcuda::Fault;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps every event as a line, and uses the crate meanwhile.
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

fn events(device: Device, action: impl FnOnce()) -> Vec<String> {
    let lines = Arc::default();
    let listener = Listener { lines: Arc::clone(&lines), device };
    tracing::subscriber::with_default(listener, action);
    let lines = lines.lock().unwrap();
    lines.clone()
}

#[test]
fn every_device_of_a_release_has_an_event() {
    let machine = machine_with(&[1, 0, 0, 1, 2, 1]);
    let held = machine.retain(3);
    machine.simulator.set_current(Some(0));
    machine.refuse_for(5, RELEASE, 999);
    let seen = events(machine.device(0), || {
        drop(PrimaryContextGuard::retain_only(machine.device(1)).unwrap());
    });
    let expected = [
        "INFO message=stray primary context released device=0 outcome=\"released\" releases=1",
        "DEBUG message=nothing to release device=1 outcome=\"kept\"",
        "DEBUG message=nothing to release device=2 outcome=\"already_inactive\"",
        "DEBUG message=primary context held by live handles device=3 outcome=\"held_here\" handles=1",
        "INFO message=primary context still held by others device=4 outcome=\"still_active\" \
         releases=1",
        "WARN message=primary context not released device=5 outcome=\"failed\" code=999 \
         releases=0 active=true error=cuDevicePrimaryCtxRelease_v2 on device 5 returned CUDA_ERROR_UNKNOWN (999)",
        "INFO message=the thread's current context was switched from=0 to=1",
    ];
    assert_eq!(seen, expected);
    drop(held);
}

/// A state that is not known is absent, and no device is kept to which the thread could be moved.
#[test]
fn events_of_a_run_have_what_is_known() {
    let machine = machine_with(&[1, 1]);
    machine.simulator.set_current(Some(1));
    machine.refuse_for(0, GET_STATE, 999);
    let seen = events(machine.device(0), || {
        StrayRelease::new().run(machine.driver).unwrap();
    });
    let expected = [
        "WARN message=primary context not released device=0 outcome=\"failed\" code=999 \
         releases=0 error=cuDevicePrimaryCtxGetState on device 0 returned CUDA_ERROR_UNKNOWN (999)",
        "INFO message=stray primary context released device=1 outcome=\"released\" releases=1",
        "INFO message=the thread's current context was switched from=1",
    ];
    assert_eq!(seen, expected);
}

fn not_released(code_and_name: &str) -> Vec<String> {
    let message = "a dropped handle could not release its reference";
    vec![format!("WARN message={message} device=1 {code_and_name}")]
}

#[test]
fn drop_says_what_it_could_not_do() {
    let machine = machine(2);
    for (code, code_and_name) in [
        (4, "code=4 name=\"CUDA_ERROR_DEINITIALIZED\""),
        (201, "code=201 name=\"CUDA_ERROR_INVALID_CONTEXT\""),
        (719, "code=719 name=\"CUDA_ERROR_LAUNCH_FAILED\""),
        // A number that no header knows has no name.
        (777_777, "code=777777"),
    ] {
        let fault = Fault::of(RELEASE, 1).code(code).once();
        // The second one's reference is gone although the call failed; that is an event, too.
        for fault in [fault.clone().refused(), fault.done_then_reported()] {
            machine.clear(1, 0);
            let context = machine.retain(1);
            machine.simulator.inject(fault);
            let seen = events(machine.device(1), || drop(context));
            assert_eq!(seen, not_released(code_and_name));
        }
    }
    let context = machine.retain(0);
    assert!(events(machine.device(0), || drop(context)).is_empty(), "a release that worked");
}

#[test]
fn release_error_that_is_given_up_on_has_an_event() {
    let warning = || not_released("code=719 name=\"CUDA_ERROR_LAUNCH_FAILED\"");
    let actions: [(fn(ReleaseError), _); 3] = [
        (drop, warning()),
        (|error| drop(Error::from(error)), warning()),
        // The handle releases again, and that works.
        (|error| drop(error.into_parts()), vec![]),
    ];
    let machine = machine(2);
    for (action, expected) in actions {
        let context = machine.retain(1);
        machine.refuse(RELEASE, 719);
        let seen = events(machine.device(1), || action(context.release().unwrap_err()));
        assert_eq!(seen, expected);
    }
}
