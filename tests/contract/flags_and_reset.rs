//! The settings of a primary context, and its reset.

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::{Library, call};

/// Returned and state behind it.
macro_rules! step {
    ($library:expr, $device:expr, $call:expr) => {{
        let result = $call;
        format!("{result} {}", $library.state($device))
    }};
}

fn current_flags(library: Library) -> String {
    let mut flags = 0;
    let result = call!(library, cuCtxGetFlags_v7000(&mut flags));
    format!("{result} {flags}")
}

pub fn flags_of_the_second_generation(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let set = |flags| {
        step!(library, device, call!(library, cuDevicePrimaryCtxSetFlags_v11000(device, flags)))
    };
    questions.ask("4 while inactive", "0 0/4", set(4));
    let (result, context) = library.retain(device);
    questions.ask("retain", "0 1/4", format!("{result} {}", library.state(device)));
    library.set_current(context);
    // 8, the map of host memory, is on in every context.
    questions.ask("cuCtxGetFlags", "0 12", current_flags(library));
    questions.ask("2 while active", "0 1/2", set(2));
    questions.ask("cuCtxGetFlags after that", "0 10", current_flags(library));
    questions.ask("2 again", "0 1/2", set(2));
    questions.ask("unknown flags", "1 1/2", set(u32::MAX));
    questions.ask("the last release", "0 0/0", step!(library, device, library.release(device)));
    questions.ask("1 afterwards", "0 0/1", set(1));
    library.retain(device);
    questions.ask("state of the next life", "1/1", library.state(device));
    questions.ask("its end", "0 0/0", step!(library, device, library.release(device)));
}

pub fn flags_of_the_first_generation(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let set = |flags| {
        step!(
            library,
            device,
            call!(library, bare cuDevicePrimaryCtxSetFlags_v11000(device, flags))
        )
    };
    questions.ask("4 while inactive", "0 0/4", set(4));
    library.retain(device);
    questions.ask("2 while active", "708 1/4", set(2));
    questions.ask("unknown flags", "1 1/4", set(u32::MAX));
    questions.ask("the last release", "0 0/0", step!(library, device, library.release(device)));
    questions.ask("1 afterwards", "0 0/1", set(1));
    questions.ask("none", "0 0/0", set(0));
}

pub fn flags_and_the_reset(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    call!(library, cuDevicePrimaryCtxSetFlags_v11000(device, 4));
    let reset = || step!(library, device, call!(library, cuDevicePrimaryCtxReset_v11000(device)));
    questions.ask("reset while inactive", "0 0/0", reset());
    call!(library, cuDevicePrimaryCtxSetFlags_v11000(device, 4));
    library.retain(device);
    questions.ask("reset while active", "0 0/0", reset());
    questions.ask("release", "0 0/0", step!(library, device, library.release(device)));
}

/// The second generation gives no reference back.
pub fn reset_of_the_second_generation(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let reset = || step!(library, device, call!(library, cuDevicePrimaryCtxReset_v11000(device)));
    let release = || step!(library, device, library.release(device));
    questions.ask("reset of nothing", "0 0/0", reset());
    questions.ask("a release after it", "201 0/0", release());
    let contexts = [library.retain(device).1, library.retain(device).1];
    questions.ask("reset of two references", "0 0/0", reset());
    questions.ask("the first release", "0 0/0", release());
    questions.ask("the second release", "0 0/0", release());
    questions.ask("one more", "201 0/0", release());
    library.retain(device);
    questions.ask("reset of one reference", "0 0/0", reset());
    let (result, context) = library.retain(device);
    questions.ask("retain", "0 1/0", format!("{result} {}", library.state(device)));
    questions.holds("the handle is what it was", context == contexts[0]);
    questions.ask("release after the reset", "0 1/0", release());
    questions.ask("the last one", "0 0/0", release());
    questions.ask("none left", "201 0/0", release());
}

/// The first generation gives one back.
pub fn reset_of_the_first_generation(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let reset =
        || step!(library, device, call!(library, bare cuDevicePrimaryCtxReset_v11000(device)));
    let release = || step!(library, device, library.release(device));
    library.retain(device);
    questions.ask("reset of one reference", "0 0/0", reset());
    questions.ask("a release after it", "201 0/0", release());
    library.retain(device);
    library.retain(device);
    questions.ask("reset of two references", "0 0/0", reset());
    questions.ask("the first release", "0 0/0", release());
    questions.ask("the second release", "201 0/0", release());
    library.release_all(device, 2);
}
