//! Operations of a few steps, each with a flaw, and the rule by which it is to be caught.

use std::sync::atomic::{AtomicBool, Ordering};

use cuda_primary_context::sys::{CUresult, functions};
use cuda_primary_context::{Error, PrimaryContext};

use super::complaint::Rule;
use super::operations::Body;
use super::recorder::Recorder;

pub const OPERATIONS: [(&str, Rule, Body); 12] = [
    ("keeps a reference", Rule::Balance, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            let _ = context.into_raw();
            recorder.alive(-1);
        }
    }),
    ("gives a reference back twice", Rule::ReleasedOnce, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            let device = context.device();
            recorder.drop(context);
            let function = functions::cuDevicePrimaryCtxRelease_v11000;
            let Some(release) = recorder.ask(|| device.driver().function(function)) else { return };
            recorder.ask_each(|| {
                // SAFETY: the handle is the driver's own.
                let _ = unsafe { release(device.as_raw()) };
                Vec::new()
            });
        }
    }),
    ("forgets a handle", Rule::Balance, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            let raw = context.as_raw();
            recorder.drop(context);
            let device = recorder.stage.machine.device(ordinal);
            // SAFETY: there is no such reference, and that is the flaw; it is given away again.
            let adopted = unsafe { PrimaryContext::from_raw(device, raw) }.unwrap();
            recorder.ask_each(Vec::new);
            let _ = adopted.into_raw();
        }
    }),
    ("releases again when it gives up", Rule::ReleasedOnce, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            if let Some((_, Some(back))) = recorder.release(context).map(|it| it.into_parts()) {
                recorder.alive(-1);
                recorder.ask_each(|| {
                    drop(back);
                    Vec::new()
                });
            }
        }
    }),
    ("gives up in silence", Rule::EveryFailureIsTold, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            if let Some(failure) = recorder.release(context) {
                let error = failure.error().clone();
                let handle = failure.into_parts().1;
                recorder.alive(-i32::from(handle.is_some()));
                let _ = handle.map(PrimaryContext::into_raw);
                recorder.given_up_already(error);
            }
        }
    }),
    ("swallows a failure", Rule::EveryFailureIsTold, |recorder, ordinal| {
        let device = recorder.stage.machine.device(ordinal);
        recorder.ask(|| device.primary_context_state().or(device.primary_context_state()));
    }),
    ("names another call", Rule::EveryFailureIsTold, |recorder, ordinal| {
        ask_and_tell(recorder, ordinal, |_, device, code| ("cuCtxSynchronize", device, code));
    }),
    ("names another device", Rule::EveryFailureIsTold, |recorder, ordinal| {
        ask_and_tell(recorder, ordinal, |call, _, code| (call, None, code));
    }),
    ("names another code", Rule::EveryFailureIsTold, |recorder, ordinal| {
        ask_and_tell(recorder, ordinal, |call, device, _| (call, device, CUresult(999_999)));
    }),
    ("leaves a context current", Rule::Thread, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            let scope = recorder.ask(|| context.make_current());
            std::mem::forget(scope);
            recorder.drop(context);
        }
    }),
    ("says what is not", Rule::Truth, |recorder, ordinal| {
        let device = recorder.stage.machine.device(ordinal);
        if let Some(state) = recorder.ask(|| device.primary_context_state()) {
            let active = recorder.stage.machine.simulator.is_active(ordinal);
            recorder.truth(state.active != active, "the state is the state");
        }
    }),
    ("remembers a failure", Rule::SucceedsAfterwards, |recorder, ordinal| {
        static FAILED: AtomicBool = AtomicBool::new(false);
        let device = recorder.stage.machine.device(ordinal);
        let answer = recorder.ask(|| match FAILED.load(Ordering::Relaxed) {
            true => Err(Error::NoSuchDevice { ordinal, count: 0 }),
            false => device.name(),
        });
        FAILED.fetch_xor(answer.is_none(), Ordering::Relaxed);
    }),
];

fn retain(recorder: &mut Recorder<'_>, ordinal: u32) -> Option<PrimaryContext> {
    let device = recorder.stage.machine.device(ordinal);
    recorder.retain(|| PrimaryContext::retain(device))
}

type Named = (&'static str, Option<u32>, CUresult);

fn ask_and_tell(
    recorder: &mut Recorder<'_>,
    ordinal: u32,
    change: fn(&'static str, Option<u32>, CUresult) -> Named,
) {
    let device = recorder.stage.machine.device(ordinal);
    recorder.ask(|| {
        device.primary_context_state().map_err(|error| match error {
            Error::Driver { call, device, code } => {
                let (call, device, code) = change(call, device, code);
                Error::Driver { call, device, code }
            }
            other => other,
        })
    });
}
