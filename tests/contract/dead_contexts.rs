//! A thread whose current context is a primary context that is gone, and how a dead context is recognised.

use std::ptr;

use super::machine::Machine;
use super::questions::Questions;
use super::sequences::sequences;
use crate::support::driver_library::call;

sequences! {
    what_is_current:
        "retain 0 1/0, bind 0, release 0 0/0, current primary, bind 0, push 0, pop 0 primary",
        "current primary, bind_none 0, current none";

    questions_about_it:
        "retain 0 1/0, bind 0, release 0 0/0, device 0 same, context_flags 0 0",
        "version 201 untouched, version_of_null 709 untouched, id 709, id_of_null 709, state 0/0";

    work_in_it:
        "retain 0 1/0, bind 0, allocate 0, stream 0, release 0 0/0, synchronize 709, free 709",
        "allocate 709, memory 709, stream 709, synchronize_default 709, state 0/0";

    stack:
        "create 0, retain 0 1/0, push 0, release 0 0/0, current primary, synchronize 709",
        "pop 0 primary, current ordinary, synchronize 0, destroy 0";

    /// Retained again, the context is alive where it was: the same handle, another identity.
    revival:
        "retain 0 1/0, bind 0, id 0 new, release 0 0/0, synchronize 709, retain 0 1/0",
        "synchronize 0, allocate 0, free 0, id 0 new, release 0 0/0, synchronize 709";

    after_a_reset:
        "retain 0 1/0, bind 0, reset 0 0/0, current primary, device 0 same, synchronize 709",
        "allocate 709, memory 709, stream 709, synchronize_default 709, release 0 0/0";

    /// A handle can be made current that stands for no context yet.
    never_active:
        "retain 0 1/0, release 0 0/0, current none, bind 0, current primary, state 0/0",
        "synchronize 709";

    /// `cuCtxGetApiVersion` distinguishes a living context from a dead one, and changes nothing.
    version_of_a_primary_context:
        "retain 0 1/0, version 0 written, current none, bind 0, version 0 written, release 0 0/0",
        "version 201 untouched, current primary, bind_none 0, version 201 untouched, state 0/0",
        "retain 0 1/0, version 0 written, reset 0 0/0, version 201 untouched, release 0 0/0";

    version_of_an_ordinary_context:
        "create 0, version_of_ordinary 0 written, bind_none 0, version_of_ordinary 0 written",
        "current none, destroy 0, version_of_ordinary 201 untouched, state 0/0";

    /// They share the device, and nothing of their lives.
    ordinary_context_outlives_the_primary:
        "retain 0 1/0, create 0, current ordinary, release 0 0/0, version 201 untouched",
        "version_of_ordinary 0 written, current ordinary, synchronize 0, allocate 0, free 0",
        "state 0/0, destroy 0";
}

pub fn other_threads(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    // A context is a pointer, which no thread may be given as it is.
    let context = library.retain(device).1.expose_provenance();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (released, is_released) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let of_thread = questions.of("another thread");
        scope.spawn(move || {
            let questions = of_thread;
            let context = ptr::with_exposed_provenance_mut(context);
            questions.ask("cuCtxSetCurrent", 0, library.set_current(context));
            questions.ask("cuCtxSynchronize", 0, call!(library, cuCtxSynchronize_v2000()));
            ready.send(()).expect("the first thread waits");
            is_released.recv().expect("the first thread releases");
            questions.holds("the dead one is current", library.current() == context);
            questions.ask("in it", 709, call!(library, cuCtxSynchronize_v2000()));
        });
        is_ready.recv().expect("the thread gets ready");
        questions.ask("release", 0, library.release(device));
        released.send(()).expect("the thread waits");
    });
    questions.holds("nothing is current here", library.current().is_null());
}
