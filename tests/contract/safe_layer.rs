//! The crate's own operations.

use std::ptr;

use cuda_primary_context::{
    Device, Driver, Error, Outcome, PrimaryContext, PrimaryContextGuard, Report, StrayRelease,
};

use super::machine::Machine;
use super::questions::Questions;

pub fn device(driver: Driver, ordinal: u32) -> Device {
    driver.device(ordinal).expect("there is the device")
}

pub fn active(device: Device) -> bool {
    device.primary_context_state().expect("the state can be read").active
}

/// The outcomes of a report, in a word each.
pub fn outcomes(report: &Report) -> String {
    let words: Vec<String> = report.devices().map(|line| word(line.outcome())).collect();
    words.join(" ")
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Released { releases }
        | Outcome::StillActive { releases }
        | Outcome::HeldByGreenContext { releases } => {
            format!("{}({releases})", outcome.kind())
        }
        Outcome::HeldHere { handles } => format!("{}({handles})", outcome.kind()),
        outcome => outcome.kind().to_owned(),
    }
}

/// What a report says of the thread's current context.
pub fn change(report: &Report) -> String {
    let change = report.current_context();
    match change.from() {
        Some(from) => format!("{} from {}", change.kind(), from.ordinal()),
        None => change.kind().to_owned(),
    }
}

/// The calls that a report has for a device, each with its result.
pub fn calls(report: &Report, device: Device) -> String {
    let line = report.devices().find(|line| line.device() == device).expect("its line");
    let calls = line.calls().map(|call| format!("{} {}", call.function, call.code.0));
    calls.collect::<Vec<_>>().join(", ")
}

/// These words, and `already_inactive` for every device behind them.
pub fn expected(driver: Driver, words: &[&str]) -> String {
    let more = driver.device_count() as usize - words.len();
    [words, &vec!["already_inactive"; more]].concat().join(" ")
}

pub fn one_reference(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let device = device(driver, 0);
    questions.holds(
        "nothing to retain if active",
        PrimaryContext::retain_if_active(device).is_ok_and(|none| none.is_none()),
    );
    questions.holds("inactive at first", !active(device));
    let first = PrimaryContext::retain(device).expect("the device can be retained");
    let second = PrimaryContext::retain_if_active(device)
        .expect("the state can be read")
        .expect("it is active");
    questions.ask("handles", "Ok(2)", format!("{:?}", device.handles()));
    questions.holds("one context", first.as_raw() == second.as_raw());
    drop(first);
    questions.holds("active while a handle lives", active(device));
    questions.holds("released", second.release().is_ok());
    questions.holds("inactive after the last", !active(device));
    questions.ask("handles afterwards", "Ok(0)", format!("{:?}", device.handles()));
    questions.ask("unreleased", 0, driver.unreleased());
}

/// Somebody else releases what a handle holds: the context is gone, and nobody owes anything.
pub fn stolen_reference(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let device = device(driver, 0);
    let library = machine.load();
    let context = PrimaryContext::retain(device).expect("the device can be retained");
    questions.ask("stolen", 0, library.release(device.as_raw()));
    let refusal = context.release().expect_err("there is nothing to release");
    questions.ask("release", "cuDevicePrimaryCtxRelease_v2 201", call_and_code(refusal.error()));
    questions.holds("no handle is handed back", refusal.handle().is_none());
    drop(refusal);
    questions.ask("handles", "Ok(0)", format!("{:?}", device.handles()));
    questions.ask("unreleased", 0, driver.unreleased());
    questions.holds("inactive", !active(device));

    let context = PrimaryContext::retain(device).expect("the device can be retained");
    questions.ask("stolen again", 0, library.release(device.as_raw()));
    drop(context);
    questions.ask("handles after the drop", "Ok(0)", format!("{:?}", device.handles()));
    questions.ask("unreleased after the drop", 0, driver.unreleased());
}

pub fn call_and_code(error: &Error) -> String {
    let code = error.code().map_or(0, |code| code.0);
    format!("{} {code}", error.call().unwrap_or("no call"))
}

pub fn adopted_and_leaked(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let device = device(driver, 0);
    let library = machine.load();
    let (result, raw) = library.retain(device.as_raw());
    questions.ask("retain by somebody else", 0, result);
    // SAFETY: that reference is handed over here, to nobody else.
    let context = unsafe { PrimaryContext::from_raw(device, raw) }.expect("this is no fork");
    questions.ask("handles", "Ok(1)", format!("{:?}", device.handles()));
    questions.holds("the handle is the driver's", context.as_raw() == raw);
    questions.holds("leaked", context.into_raw() == raw);
    questions.ask("handles after the leak", "Ok(0)", format!("{:?}", device.handles()));
    questions.holds("active all the same", active(device));
    questions.ask("release by somebody else", 0, library.release(device.as_raw()));
    questions.holds("inactive", !active(device));
}

pub fn references_of_others(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let library = machine.load();
    let (kept, stray) = (device(driver, 0), device(driver, 1));
    library.retain(stray.as_raw());
    let plan = StrayRelease::new().plan_retain_only(kept).expect("a plan");
    questions.ask("lines of the plan", driver.device_count(), plan.devices().count());
    questions.holds("a plan releases nothing", active(stray));
    let guard = PrimaryContextGuard::retain_only(kept).expect("the device can be kept");
    questions.ask(
        "one reference",
        expected(driver, &["kept", "released(1)"]),
        outcomes(guard.report()),
    );
    questions.holds("it is inactive", !active(stray));
    questions.holds("the kept one is active", active(kept));
    questions.ask("calls for the kept device", "cuDevicePrimaryCtxRetain 0", {
        calls(guard.report(), kept)
    });
    questions.ask("its owner's release", 201, library.release(stray.as_raw()));

    library.retain(stray.as_raw());
    library.retain(stray.as_raw());
    let guard = PrimaryContextGuard::retain_only(kept).expect("the device can be kept");
    questions.ask(
        "two references",
        expected(driver, &["kept", "still_active(1)"]),
        outcomes(guard.report()),
    );
    library.retain(stray.as_raw());
    // SAFETY: the references are the suite's own, and nobody uses the context.
    let policy = unsafe { StrayRelease::new().releases_up_to(5) };
    let guard =
        PrimaryContextGuard::retain_only_with(kept, &policy).expect("the device can be kept");
    questions.ask(
        "up to five releases",
        expected(driver, &["kept", "released(2)"]),
        outcomes(guard.report()),
    );
    questions.ask("one more", 201, library.release(stray.as_raw()));
}

pub fn current_context_is_left(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let library = machine.load();
    let (kept, stray) = (device(driver, 0), device(driver, 1));
    let (_, raw) = library.retain(stray.as_raw());
    library.set_current(raw);
    let guard = PrimaryContextGuard::retain_only(kept).expect("the device can be kept");
    questions.ask("current context", "switched from 1", change(guard.report()));
    questions.holds("the kept one is current", library.current() == guard.context().as_raw());
    library.set_current(ptr::null_mut());
    library.retain(stray.as_raw());
    let guard = PrimaryContextGuard::retain_only(kept).expect("the device can be kept");
    questions.holds("nothing was current", library.current().is_null());
    questions.ask("outcomes", expected(driver, &["kept", "released(1)"]), outcomes(guard.report()));
}

pub fn held_and_kept_devices(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let (kept, other) = (device(driver, 0), device(driver, 1));
    let context = PrimaryContext::retain(other).expect("the device can be retained");
    let guard = PrimaryContextGuard::retain_only(kept).expect("the device can be kept");
    questions.ask("held", expected(driver, &["kept", "held_here(1)"]), outcomes(guard.report()));
    let raw = context.into_raw();
    let policy = StrayRelease::new().keep([other]);
    let guard =
        PrimaryContextGuard::retain_only_with(kept, &policy).expect("the device can be kept");
    questions.ask("kept", expected(driver, &["kept", "left_alone"]), outcomes(guard.report()));
    // SAFETY: the reference was leaked above and is nobody's.
    let context = unsafe { PrimaryContext::from_raw(other, raw) }.expect("this is no fork");
    questions.holds("still one reference", context.release().is_ok());
    questions.holds("inactive", !active(other));
    let none = driver.device(driver.device_count()).expect_err("there is no such device");
    questions.holds("no such device", matches!(none, Error::NoSuchDevice { .. }));
}
