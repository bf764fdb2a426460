//! Releases of the crate beside green contexts, and the calling thread's current context.
//!
//! On one device nothing is kept: [`StrayRelease::run`] releases what is stray on it.

use std::ptr;

use cuda_primary_context::sys::{CUcontext, CUgreenCtx};
use cuda_primary_context::{Device, Driver, PrimaryContext, Report, StrayRelease};

use super::machine::Machine;
use super::questions::Questions;
use super::safe_layer::{active, call_and_code, calls, change, device, expected, outcomes};
use super::sequences::create_green;
use crate::support::driver_library::{Library, call};

/// A green context on a device.
struct Green {
    library: Library,
    device: Device,
    handle: CUgreenCtx,
}

impl Green {
    /// One over all multiprocessors.
    fn create(machine: &Machine, device: Device, questions: &Questions) -> Self {
        let library = machine.load();
        let (result, handle) = create_green(library, device.as_raw());
        questions.ask("create", 0, result);
        Self { library, device, handle }
    }

    /// The result, and the state that follows.
    fn destroy(self) -> String {
        let result = call!(self.library, cuGreenCtxDestroy_v12040(self.handle));
        format!("{result} {}", self.library.state(self.device.as_raw()))
    }
}

fn run(driver: Driver) -> Report {
    StrayRelease::new().run(driver).expect("this is no fork")
}

/// The reference of the green context is given back at once, and goes with it.
pub fn held_by_a_green_context(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let device = device(driver, 0);
    let library = machine.load();
    let green = Green::create(machine, device, questions);
    for attempt in ["first run", "second run"] {
        let report = run(driver);
        let questions = questions.of(attempt);
        let words = expected(driver, &["held_by_green_context(0)"]);
        questions.ask("outcomes", words, outcomes(&report));
        let made = calls(&report, device);
        let released = "cuDevicePrimaryCtxRelease_v2 800, cuDevicePrimaryCtxGetState 0, \
                        cuDevicePrimaryCtxRetain 0";
        questions.holds("a retain follows the release", made.contains(released));
        questions.holds("that is no failure", report.check().is_ok());
        questions.ask("current context", "unchanged", change(&report));
        questions.ask("state", "1/0", library.state(device.as_raw()));
    }
    questions.ask("cuGreenCtxDestroy", "0 0/0", green.destroy());
    questions.ask("a run after that", expected(driver, &["already_inactive"]), {
        outcomes(&run(driver))
    });
}

pub fn references_and_a_green_context(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let device = device(driver, 0);
    let library = machine.load();
    library.retain(device.as_raw());
    let green = Green::create(machine, device, questions);
    questions.ask("one release", expected(driver, &["still_active(1)"]), outcomes(&run(driver)));
    library.retain(device.as_raw());
    // SAFETY: the references are the suite's own, and nobody uses the context.
    let policy = unsafe { StrayRelease::new().releases_up_to(5) };
    let report = policy.run(driver).expect("this is no fork");
    let words = expected(driver, &["held_by_green_context(1)"]);
    questions.ask("up to five releases", words, outcomes(&report));
    questions.ask("state", "1/0", library.state(device.as_raw()));
    questions.ask("cuGreenCtxDestroy", "0 0/0", green.destroy());
}

/// A handle and a green context on device 0, and one of their two references taken by somebody else.
fn robbed(machine: &Machine, questions: &Questions) -> (PrimaryContext, Green) {
    let device = device(machine.driver(), 0);
    let context = PrimaryContext::retain(device).expect("the device can be retained");
    let green = Green::create(machine, device, questions);
    questions.ask("taken", 0, machine.load().release(device.as_raw()));
    questions.holds("active with one reference", active(device));
    (context, green)
}

/// The driver returns 800 for the last release; the reference stays with the green context.
pub fn release_of_a_handle_beside_a_green_context(machine: &Machine, questions: &Questions) {
    for way in ["release", "drop"] {
        let questions = &questions.of(way);
        let (context, green) = robbed(machine, questions);
        let device = context.device();
        match way {
            "release" => questions.holds("it succeeds", context.release().is_ok()),
            _ => drop(context),
        }
        questions.holds("active while the green context lives", active(device));
        questions.ask("handles", "Ok(0)", format!("{:?}", device.handles()));
        questions.ask("unreleased", 0, device.driver().unreleased());
        questions.ask("cuGreenCtxDestroy", "0 0/0", green.destroy());
    }
}

/// Both references were taken, and the context is active all the same: 201 hands the handle back.
pub fn refused_release_of_an_active_context(machine: &Machine, questions: &Questions) {
    let (context, green) = robbed(machine, questions);
    let (device, library) = (context.device(), machine.load());
    questions.ask("taken, the last one", 800, library.release(device.as_raw()));
    let refusal = context.release().expect_err("there is no reference");
    questions.ask("release", "cuDevicePrimaryCtxRelease_v2 201", call_and_code(refusal.error()));
    questions.holds("the handle is handed back", refusal.handle().is_some());
    questions.holds("active", active(device));
    questions.ask("handles", "Ok(1)", format!("{:?}", device.handles()));
    let (_, handle) = refusal.into_parts();
    questions.ask("retain", 0, library.retain(device.as_raw()).0);
    let context = handle.expect("it was handed back");
    questions.ask("cuGreenCtxDestroy", "0 0/0", green.destroy());
    drop(context);
    questions.ask("handles after the drop", "Ok(0)", format!("{:?}", device.handles()));
}

/// The thread's current context after a run: one of `cuCtxCreate` on the strays' device and one with a further
/// reference are current again, a destroyed one is popped.
pub fn current_context_after_a_run(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let device = device(driver, 0);
    let library = machine.load();
    for (name, references, outcome, current_context) in [
        ("ordinary", 1, "released(1)", "unchanged"),
        ("living", 2, "still_active(1)", "unchanged"),
        ("destroyed", 1, "released(1)", "switched from 0"),
    ] {
        let questions = questions.of(name);
        let mut context: CUcontext = ptr::null_mut();
        (0..references).for_each(|_| context = library.retain(device.as_raw()).1);
        match name {
            "ordinary" => questions.ask("cuCtxCreate_v2", 0, {
                call!(library, cuCtxCreate_v3020(&mut context, 0, device.as_raw()))
            }),
            _ => questions.ask("cuCtxSetCurrent", 0, library.set_current(context)),
        }
        let report = run(driver);
        questions.ask("outcomes", expected(driver, &[outcome]), outcomes(&report));
        questions.ask("current context", current_context, change(&report));
        let is_current = library.current() == context;
        questions.holds("it is current if it is alive", is_current == (name != "destroyed"));
        if is_current {
            questions.ask("cuCtxSynchronize", 0, call!(library, cuCtxSynchronize_v2000()));
        }
        match name {
            "ordinary" => {
                questions.ask("cuCtxDestroy_v2", 0, call!(library, cuCtxDestroy_v4000(context)));
            }
            "living" => questions.ask("the last release", 0, library.release(device.as_raw())),
            _ => {}
        }
        library.set_current(ptr::null_mut());
        questions.holds("nothing is current", library.current().is_null());
        questions.ask("state", "0/0", library.state(device.as_raw()));
    }
}
