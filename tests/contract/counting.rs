//! References to primary contexts.

use std::ptr;

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::{Library, call};

/// The result of one release and the state behind it.
fn release(library: Library, device: i32) -> String {
    let result = library.release(device);
    format!("{result} {}", library.state(device))
}

fn bare_release(library: Library, device: i32) -> String {
    let result = call!(library, bare cuDevicePrimaryCtxRelease_v11000(device));
    format!("{result} {}", library.state(device))
}

/// Retains this often; the context is one, and active from the first on.
fn retain(library: Library, device: i32, references: u32, questions: &Questions) {
    let contexts: Vec<_> = (0..references).map(|_| library.retain(device)).collect();
    let good =
        contexts.iter().all(|(result, context)| result.to_string() == "0" && !context.is_null());
    questions.holds("retains succeed", good);
    questions
        .holds("the handle is one", contexts.iter().all(|(_, context)| *context == contexts[0].1));
    let state = if references == 0 { "0/0" } else { "1/0" };
    questions.ask("state", state, library.state(device));
}

/// As many releases succeed as there were retains; the next one returns 201.
pub fn releases_end_with_the_references(machine: &Machine, questions: &Questions) {
    releases_end(machine, questions, 4, release, "201 0/0");
}

/// The bare name returns 0 if there is nothing to release.
pub fn releases_of_the_first_generation(machine: &Machine, questions: &Questions) {
    releases_end(machine, questions, 3, bare_release, "0 0/0");
}

/// With fewer references than `most`, releases through one generation, and what it returns when there
/// is nothing left.
fn releases_end(
    machine: &Machine,
    questions: &Questions,
    most: u32,
    release_by: fn(Library, i32) -> String,
    with_none_left: &str,
) {
    let library = machine.initialised();
    let device = library.device(0);
    for references in 0..most {
        let questions = questions.of(format!("{references} references"));
        retain(library, device, references, &questions);
        for release_of in 1..=references {
            let expected = if release_of == references { "0 0/0" } else { "0 1/0" };
            questions.ask(format!("release {release_of}"), expected, release_by(library, device));
        }
        questions.ask("one more", with_none_left, release_by(library, device));
        questions.ask("and another", with_none_left, release_by(library, device));
    }
    let (result, _) = library.retain(device);
    questions.ask("retain after all", "0 1/0", format!("{result} {}", library.state(device)));
    questions.ask("its release", "0 0/0", release(library, device));
}

pub fn generations_share_the_count(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    retain(library, device, 3, questions);
    questions.ask("bare", "0 1/0", bare_release(library, device));
    questions.ask("second generation", "0 1/0", release(library, device));
    questions.ask("bare again", "0 0/0", bare_release(library, device));
    questions.ask("second generation, none left", "201 0/0", release(library, device));
    questions.ask("bare, none left", "0 0/0", bare_release(library, device));
}

/// A retain pushes nothing, a release pops nothing.
pub fn retain_and_the_stack(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let (_, context) = library.retain(device);
    questions.holds("nothing is current after a retain", library.current().is_null());
    questions.ask("cuCtxSetCurrent", 0, library.set_current(context));
    questions.holds("it is current", library.current() == context);
    library.retain(device);
    questions.ask("release, not the last", "0 1/0", release(library, device));
    questions.holds("it is still current", library.current() == context);
    questions.ask("cuCtxSynchronize", 0, call!(library, cuCtxSynchronize_v2000()));
    let mut popped = ptr::null_mut();
    questions.ask("cuCtxPushCurrent_v2", 0, call!(library, cuCtxPushCurrent_v4000(context)));
    questions.ask("cuCtxPopCurrent_v2", 0, call!(library, cuCtxPopCurrent_v4000(&mut popped)));
    questions.holds("what was popped is the context", popped == context);
    questions.ask("the last release", "0 0/0", release(library, device));
    questions.holds("it is current all the same", library.current() == context);
    questions.ask("pop", 0, call!(library, cuCtxPopCurrent_v4000(&mut popped)));
    questions.holds("what was popped is the dead context", popped == context);
    questions.ask("pop of nothing", 201, call!(library, cuCtxPopCurrent_v4000(&mut popped)));
    questions.holds("nothing is current", library.current().is_null());
}

/// Counts are exact under many threads.
pub fn many_threads(machine: &Machine, questions: &Questions) {
    const THREADS: u32 = 8;
    const ROUNDS: u32 = 500;
    let library = machine.initialised();
    let device = library.device(0);
    let pairs = || {
        let round =
            || [library.retain(device).0, library.release(device)].map(|result| result.to_string());
        (0..ROUNDS).filter(|_| round() != ["0", "0"]).count()
    };
    library.retain(device);
    let failed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(pairs)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends")).sum()
    });
    questions.ask("pairs that failed", 0, failed);
    questions.ask("state", "1/0", library.state(device));
    questions.ask("the last release", "0 0/0", release(library, device));
    questions.ask("one more", "201 0/0", release(library, device));
}

/// A context of its own: current from its creation on, gone with its destruction.
pub fn ordinary_contexts(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let mut context = ptr::null_mut();
    questions.ask("cuCtxCreate_v2", 0, call!(library, cuCtxCreate_v3020(&mut context, 0, device)));
    questions.holds("it is current", library.current() == context);
    questions.ask("state of the primary context", "0/0", library.state(device));
    let mut of = -1;
    questions.ask("cuCtxGetDevice", 0, call!(library, cuCtxGetDevice_v2000(&mut of)));
    questions.holds("it is the device", of == device);
    let (_, primary) = library.retain(device);
    questions.holds("the primary context is another", primary != context);
    questions.ask("release", "0 0/0", release(library, device));
    questions.ask("cuCtxSynchronize", 0, call!(library, cuCtxSynchronize_v2000()));
    questions.ask("cuCtxDestroy_v2", 0, call!(library, cuCtxDestroy_v4000(context)));
    questions.holds("nothing is current", library.current().is_null());
}

/// A primary context is not for `cuCtxDestroy`.
pub fn destroying_a_primary_context(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let (_, context) = library.retain(device);
    questions.ask("cuCtxDestroy_v2", 201, call!(library, cuCtxDestroy_v4000(context)));
    questions.ask("state", "1/0", library.state(device));
    questions.ask("cuCtxSetCurrent", 0, library.set_current(context));
    questions.ask(
        "cuCtxDestroy_v2 of the current one",
        201,
        call!(library, cuCtxDestroy_v4000(context)),
    );
    questions.holds("it is still current", library.current() == context);
    questions.ask("cuCtxDestroy", 201, call!(library, bare cuCtxDestroy_v4000(context)));
    questions.ask("release", "0 0/0", release(library, device));
    questions.ask(
        "cuCtxDestroy_v2 of the dead one",
        201,
        call!(library, cuCtxDestroy_v4000(context)),
    );
}

pub fn devices_are_counted_apart(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let (zero, one) = (library.device(0), library.device(1));
    let (_, of_zero) = library.retain(zero);
    questions.ask("state of the other", "0/0", library.state(one));
    let (_, of_one) = library.retain(one);
    questions.holds("each has its context", of_zero != of_one);
    questions.ask("release", "0 0/0", release(library, zero));
    questions.ask("state of the other afterwards", "1/0", library.state(one));
    questions.ask("release of the other", "0 0/0", release(library, one));
    questions.ask("one more", "201 0/0", release(library, one));
}
