//! `cuCtxGetApiVersion` distinguishes a living context from a dead one, and changes nothing.

use std::ptr;

use cuda_primary_context::sys::CUcontext;

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::{Library, call};

const UNTOUCHED: u32 = 77;

/// The result, and whether a version was written.
fn version_of(library: Library, context: CUcontext) -> String {
    let mut version = UNTOUCHED;
    let result = call!(library, cuCtxGetApiVersion_v3020(context, &mut version));
    format!("{result} {}", if version == UNTOUCHED { "untouched" } else { "written" })
}

const ALIVE: &str = "0 written";
const DEAD: &str = "201 untouched";

pub fn primary_context(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let (_, context) = library.retain(device);
    questions.ask("alive, not current", ALIVE, version_of(library, context));
    questions.holds("nothing is current", library.current().is_null());
    library.set_current(context);
    questions.ask("alive, current", ALIVE, version_of(library, context));
    questions.ask("release", 0, library.release(device));
    questions.ask("dead, current", DEAD, version_of(library, context));
    questions.holds("it is still current", library.current() == context);
    library.set_current(ptr::null_mut());
    questions.ask("dead, not current", DEAD, version_of(library, context));
    questions.ask("state", "0/0", library.state(device));
    library.retain(device);
    questions.ask("alive again", ALIVE, version_of(library, context));
    questions.ask("reset", 0, call!(library, cuDevicePrimaryCtxReset_v11000(device)));
    questions.ask("dead after the reset", DEAD, version_of(library, context));
    questions.ask("the last release", 0, library.release(device));
    questions.ask("state at the end", "0/0", library.state(device));
}

pub fn ordinary_context(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let mut context = ptr::null_mut();
    questions.ask("cuCtxCreate_v2", 0, call!(library, cuCtxCreate_v3020(&mut context, 0, device)));
    questions.ask("alive, current", ALIVE, version_of(library, context));
    library.set_current(ptr::null_mut());
    questions.ask("alive, not current", ALIVE, version_of(library, context));
    questions.holds("nothing is current", library.current().is_null());
    questions.ask("cuCtxDestroy_v2", 0, call!(library, cuCtxDestroy_v4000(context)));
    questions.ask("destroyed", DEAD, version_of(library, context));
    questions.ask("state of the primary context", "0/0", library.state(device));
}

/// They share the device, and nothing of their lives.
pub fn ordinary_context_outlives_the_primary(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let mut ordinary = ptr::null_mut();
    let (_, primary) = library.retain(device);
    questions.ask("cuCtxCreate_v2", 0, call!(library, cuCtxCreate_v3020(&mut ordinary, 0, device)));
    questions.holds("two handles", ordinary != primary);
    questions.ask("the last release", 0, library.release(device));
    questions.ask("state", "0/0", library.state(device));
    questions.ask("the primary", DEAD, version_of(library, primary));
    questions.ask("the ordinary one", ALIVE, version_of(library, ordinary));
    questions.holds("it is current", library.current() == ordinary);
    let mut memory = 0;
    questions.ask("cuCtxSynchronize", 0, call!(library, cuCtxSynchronize_v2000()));
    questions.ask("cuMemAlloc_v2", 0, call!(library, cuMemAlloc_v3020(&mut memory, 4096)));
    questions.ask("cuMemFree_v2", 0, call!(library, cuMemFree_v3020(memory)));
    questions.ask("state afterwards", "0/0", library.state(device));
    questions.ask("cuCtxDestroy_v2", 0, call!(library, cuCtxDestroy_v4000(ordinary)));
}
