//! Operations that make handles and scopes, and end them.

use cuda_primary_context::{PrimaryContext, PrimaryContextGuard, StrayRelease};

use super::{Given, Operation, machine};
use crate::faults::log::{GET_STATE, POP, PUSH, RELEASE, RETAIN};
use crate::faults::recorder::Recorder;

pub const OPERATIONS: [Operation; 12] = [
    Operation {
        name: "retain, drop",
        calls: |_| vec![RETAIN, RELEASE],
        body: |recorder, ordinal| {
            if let Some(context) = retain(recorder, ordinal) {
                recorder.drop(context);
            }
        },
    },
    Operation {
        name: "retain, release",
        calls: |_| vec![RETAIN, RELEASE],
        body: |recorder, ordinal| {
            if let Some(context) = retain(recorder, ordinal) {
                recorder.release_for_good(context);
            }
        },
    },
    Operation {
        name: "retain, release or give up",
        calls: |_| vec![RETAIN, RELEASE],
        body: |recorder, ordinal| {
            if let Some(context) = retain(recorder, ordinal) {
                if let Some(failure) = recorder.release(context) {
                    recorder.give_up(failure);
                }
            }
        },
    },
    Operation {
        name: "retain, others take one, release",
        calls: |given| after_others(given),
        body: |recorder, ordinal| {
            if let Some(context) = retain(recorder, ordinal) {
                recorder.others_release(ordinal);
                recorder.release_for_good(context);
            }
        },
    },
    Operation {
        name: "retain, others take one, drop, others retain",
        calls: |given| after_others(given),
        body: |recorder, ordinal| {
            if let Some(context) = retain(recorder, ordinal) {
                recorder.others_release(ordinal);
                recorder.drop(context);
                recorder.others_retain(ordinal);
            }
        },
    },
    Operation {
        name: "retain_if_active",
        calls: |given| match given.condition.active() {
            true => vec![GET_STATE, RETAIN, RELEASE],
            false => vec![GET_STATE],
        },
        body: |recorder, ordinal| {
            let device = machine(recorder).device(ordinal);
            let active = machine(recorder).simulator.is_active(ordinal);
            if let Some(found) = recorder.retain_if(|| PrimaryContext::retain_if_active(device)) {
                recorder.truth(found.is_some() == active, "there is a handle if it was active");
                if let Some(context) = found {
                    recorder.drop(context);
                }
            }
        },
    },
    Operation {
        name: "retain, leak, adopt, drop",
        calls: |_| vec![RETAIN, RELEASE],
        body: |recorder, ordinal| {
            let device = machine(recorder).device(ordinal);
            if let Some(context) = retain(recorder, ordinal) {
                let raw = context.into_raw();
                recorder.alive(-1);
                // SAFETY: the reference was just given away, and nobody else has it.
                let adopted = recorder.retain(|| unsafe { PrimaryContext::from_raw(device, raw) });
                let adopted = adopted.expect("adopting calls nothing");
                recorder.truth(adopted.as_raw() == raw, "it is that context");
                recorder.drop(adopted);
            }
        },
    },
    Operation {
        name: "make_current, leave",
        calls: |_| vec![RETAIN, PUSH, POP, RELEASE],
        body: |recorder, ordinal| {
            if let Some(context) = retain(recorder, ordinal) {
                if let Some(scope) = recorder.ask(|| context.make_current()) {
                    let top = machine(recorder).simulator.stack().pop();
                    let current =
                        top.is_some_and(|top| top.device == ordinal && top.is_primary && top.alive);
                    recorder.truth(current, "the context is current");
                    recorder.ask(|| scope.leave());
                }
                recorder.drop(context);
            }
        },
    },
    Operation {
        name: "make_current, drop",
        calls: |_| vec![RETAIN, PUSH, POP, RELEASE],
        body: |recorder, ordinal| {
            if let Some(context) = retain(recorder, ordinal) {
                if let Some(scope) = recorder.ask(|| context.make_current()) {
                    recorder.drop_scope(scope);
                }
                recorder.release_for_good(context);
            }
        },
    },
    Operation {
        name: "retain_only, release",
        calls: |given| {
            let others = (1..given.devices).map(|_| GET_STATE);
            [RETAIN].into_iter().chain(others).chain([RELEASE]).collect()
        },
        body: |recorder, ordinal| {
            let device = machine(recorder).device(ordinal);
            // What it does to other devices has trials of its own.
            // SAFETY: nothing is released.
            let policy = unsafe { StrayRelease::new().releases_up_to(0) };
            let answer = PrimaryContextGuard::retain_only_with(device, &policy);
            recorder.alive(i32::from(answer.is_ok()));
            recorder.ask_each(|| match &answer {
                Ok(guard) => {
                    let failed = |line: cuda_primary_context::DeviceReport<'_>| match line.outcome()
                    {
                        cuda_primary_context::Outcome::Failed { error, .. } => Some(error.clone()),
                        _ => None,
                    };
                    guard.report().devices().filter_map(failed).collect()
                }
                Err(error) => vec![error.clone()],
            });
            if let Ok(guard) = answer {
                recorder.truth(guard.device() == device, "the guard is of the device");
                recorder.release_for_good(guard.into_context());
            }
        },
    },
    Operation {
        name: "two handles",
        calls: |_| vec![RETAIN, RETAIN, RELEASE, RELEASE],
        body: |recorder, ordinal| {
            let next = (ordinal + 1) % machine(recorder).driver.device_count();
            let contexts = [retain(recorder, ordinal), retain(recorder, next)];
            for context in contexts.into_iter().flatten() {
                recorder.release_for_good(context);
            }
        },
    },
    Operation {
        name: "retain, scope in a scope",
        calls: |_| vec![RETAIN, PUSH, PUSH, POP, POP, RELEASE],
        body: |recorder, ordinal| {
            if let Some(context) = retain(recorder, ordinal) {
                if let Some(outer) = recorder.ask(|| context.make_current()) {
                    if let Some(inner) = recorder.ask(|| context.make_current()) {
                        recorder.ask(|| inner.leave());
                    }
                    recorder.ask(|| outer.leave());
                }
                recorder.drop(context);
            }
        },
    },
];

fn retain(recorder: &mut Recorder<'_>, ordinal: u32) -> Option<PrimaryContext> {
    let device = machine(recorder).device(ordinal);
    let context = recorder.retain(|| PrimaryContext::retain(device))?;
    recorder.truth(context.device() == device, "the handle is of the device");
    Some(context)
}

/// A handle is made, others take a reference, and the handle goes.
fn after_others(given: &Given) -> Vec<&'static str> {
    let condition = given.condition;
    match (condition.references(given.ordinal), condition.greens(given.ordinal)) {
        // The context is gone already.
        (0, _) => vec![RETAIN, RELEASE, GET_STATE],
        // It was a green context's, which gets it back.
        (1, 1..) => vec![RETAIN, RELEASE, RETAIN],
        _ => vec![RETAIN, RELEASE],
    }
}
