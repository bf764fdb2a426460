//! A thread whose current context is a primary context that is gone.

use std::ptr;

use cuda_primary_context::sys::{CUcontext, CUdeviceptr, CUstream};

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::{Library, Returned, call};

/// What belonged to the context in its life.
struct Former {
    context: CUcontext,
    memory: CUdeviceptr,
    stream: CUstream,
}

/// Retains the device, makes its context current with an allocation and a stream in it, and ends it.
fn left_dead(library: Library, device: i32) -> Former {
    let (_, context) = library.retain(device);
    library.set_current(context);
    let (mut memory, mut stream) = (0, ptr::null_mut());
    let results = [
        call!(library, cuMemAlloc_v3020(&mut memory, 1 << 20)),
        call!(library, cuStreamCreate_v2000(&mut stream, 0)),
        library.release(device),
    ];
    assert_eq!(results.map(|result| result.to_string()), ["0"; 3]);
    Former { context, memory, stream }
}

/// A word of what a call wrote.
fn and<T: PartialEq>(result: Returned, written: T, right: T) -> String {
    format!("{result}{}", if written == right { "" } else { " and something else" })
}

pub fn what_is_current(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let former = left_dead(library, device);
    questions.ask("state", "0/0", library.state(device));
    let mut current = ptr::null_mut();
    let result = call!(library, cuCtxGetCurrent_v4000(&mut current));
    questions.ask("cuCtxGetCurrent", "0", and(result, current, former.context));
    questions.ask("cuCtxSetCurrent", 0, library.set_current(former.context));
    questions.ask("cuCtxPushCurrent_v2", 0, call!(library, cuCtxPushCurrent_v4000(former.context)));
    questions.ask("cuCtxPopCurrent_v2", "0", {
        let result = call!(library, cuCtxPopCurrent_v4000(&mut current));
        and(result, current, former.context)
    });
    questions.ask("cuCtxSetCurrent to none", 0, library.set_current(ptr::null_mut()));
    questions.holds("nothing is current", library.current().is_null());
}

pub fn questions_about_it(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let former = left_dead(library, device);
    let mut of = -77;
    let result = call!(library, cuCtxGetDevice_v2000(&mut of));
    questions.ask("cuCtxGetDevice", "0", and(result, of, device));
    let mut flags = 77;
    let result = call!(library, cuCtxGetFlags_v7000(&mut flags));
    questions.ask("cuCtxGetFlags", "0", and(result, flags, 0));
    let (mut version, none) = (77, ptr::null_mut());
    questions.ask(
        "cuCtxGetApiVersion",
        201,
        call!(library, cuCtxGetApiVersion_v3020(former.context, &mut version)),
    );
    questions.ask(
        "cuCtxGetApiVersion of NULL",
        709,
        call!(library, cuCtxGetApiVersion_v3020(none, &mut version)),
    );
    questions.holds("the version is untouched", version == 77);
    let mut id = 77;
    questions.ask("cuCtxGetId", 709, call!(library, cuCtxGetId_v12000(former.context, &mut id)));
    questions.ask("cuCtxGetId of NULL", 709, call!(library, cuCtxGetId_v12000(none, &mut id)));
    questions.holds("the id is untouched", id == 77);
    questions.ask("state", "0/0", library.state(device));
}

/// No work can be done in it.
fn no_work(library: Library, questions: &Questions) {
    let (mut memory, mut stream) = (0, ptr::null_mut());
    let (mut free, mut total) = (0, 0);
    questions.ask("cuCtxSynchronize", 709, call!(library, cuCtxSynchronize_v2000()));
    questions.ask("cuMemAlloc_v2", 709, call!(library, cuMemAlloc_v3020(&mut memory, 4096)));
    questions.ask(
        "cuMemGetInfo_v2",
        709,
        call!(library, cuMemGetInfo_v3020(&mut free, &mut total)),
    );
    questions.ask("cuStreamCreate", 709, call!(library, cuStreamCreate_v2000(&mut stream, 0)));
    let legacy = ptr::null_mut();
    questions.ask(
        "cuStreamSynchronize of none",
        709,
        call!(library, cuStreamSynchronize_v2000(legacy)),
    );
}

pub fn work_in_it(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    left_dead(library, device);
    no_work(library, questions);
    questions.ask("state", "0/0", library.state(device));
}

pub fn objects_of_a_former_life(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let former = left_dead(library, device);
    questions.ask("cuMemFree_v2", 709, call!(library, cuMemFree_v3020(former.memory)));
    // A stream that nothing was done with returns 709, one that was waited for 201 (driver 580).
    let refusal = |result: Returned| ["201", "709"].contains(&&*result.to_string());
    let query = call!(library, cuStreamQuery_v2000(former.stream));
    questions.holds("cuStreamQuery returns 201 or 709", refusal(query));
    let synchronize = call!(library, cuStreamSynchronize_v2000(former.stream));
    questions.holds("cuStreamSynchronize returns 201 or 709", refusal(synchronize));
}

pub fn stack(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let mut other = ptr::null_mut();
    call!(library, cuCtxCreate_v3020(&mut other, 0, device));
    let (_, primary) = library.retain(device);
    questions.ask("push", 0, call!(library, cuCtxPushCurrent_v4000(primary)));
    library.release(device);
    questions.holds("the dead one is current", library.current() == primary);
    questions.ask("cuCtxSynchronize in it", 709, call!(library, cuCtxSynchronize_v2000()));
    let mut popped = ptr::null_mut();
    questions.ask("pop", 0, call!(library, cuCtxPopCurrent_v4000(&mut popped)));
    questions.holds("the dead one was popped", popped == primary);
    questions.holds("the other is current", library.current() == other);
    questions.ask("cuCtxSynchronize in the other", 0, call!(library, cuCtxSynchronize_v2000()));
    questions.ask("cuCtxDestroy_v2", 0, call!(library, cuCtxDestroy_v4000(other)));
}

/// Retained again, the context is alive where it was: the same handle, another identity.
pub fn revival(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let id = |context| {
        let mut id = 0;
        call!(library, cuCtxGetId_v12000(context, &mut id));
        id
    };
    let (_, first) = library.retain(device);
    library.set_current(first);
    let first_id = id(first);
    library.release(device);
    questions.ask("cuCtxSynchronize", 709, call!(library, cuCtxSynchronize_v2000()));
    let (result, second) = library.retain(device);
    questions.ask("retain", "0 1/0", format!("{result} {}", library.state(device)));
    questions.holds("the handle is the same", first == second);
    questions.ask(
        "cuCtxSynchronize in the revived one",
        0,
        call!(library, cuCtxSynchronize_v2000()),
    );
    let mut memory = 0;
    questions.ask("cuMemAlloc_v2", 0, call!(library, cuMemAlloc_v3020(&mut memory, 4096)));
    questions.ask("cuMemFree_v2", 0, call!(library, cuMemFree_v3020(memory)));
    questions.holds("the identity is another", id(second) != first_id);
    questions.ask("release", 0, library.release(device));
    questions.ask("dead again", 709, call!(library, cuCtxSynchronize_v2000()));
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
            no_work(library, &questions.of("after the release"));
        });
        is_ready.recv().expect("the thread gets ready");
        questions.ask("release", 0, library.release(device));
        released.send(()).expect("the thread waits");
    });
    questions.holds("nothing is current here", library.current().is_null());
}

pub fn after_a_reset(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let (_, context) = library.retain(device);
    library.set_current(context);
    questions.ask("reset", 0, call!(library, cuDevicePrimaryCtxReset_v11000(device)));
    questions.holds("it is still current", library.current() == context);
    let mut of = -77;
    let result = call!(library, cuCtxGetDevice_v2000(&mut of));
    questions.ask("cuCtxGetDevice", "0", and(result, of, device));
    no_work(library, questions);
    questions.ask("release", 0, library.release(device));
}

/// A handle can be made current that stands for no context yet.
pub fn never_active(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let (_, context) = library.retain(device);
    library.release(device);
    questions.holds("nothing is current", library.current().is_null());
    questions.ask("cuCtxSetCurrent", 0, library.set_current(context));
    questions.holds("it is current", library.current() == context);
    questions.ask("state", "0/0", library.state(device));
    questions.ask("cuCtxSynchronize", 709, call!(library, cuCtxSynchronize_v2000()));
}
