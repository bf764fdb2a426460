//! Forked children.

use std::process::ExitStatus;

use super::before_init::{hide_devices, refused, versions_and_texts};
use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::{Library, call};
use crate::support::processes::{Birth, in_child};

/// Runs `body` in a forked child.
fn child(questions: &Questions, body: impl FnOnce(&Questions)) {
    let of_child = questions.of("child");
    let status = in_child(Birth::Fork, || {
        body(&of_child);
        0
    });
    questions.ask("the child ends", "exit status: 0", in_words(status));
}

/// How a child ended; whether it left a core file is a setting of the machine.
fn in_words(status: ExitStatus) -> String {
    status.to_string().trim_end_matches(" (core dumped)").to_owned()
}

/// A child forked before `cuInit` is like any process.
pub fn child_before_init(machine: &Machine, questions: &Questions) {
    let library = machine.load();
    child(questions, |questions| {
        versions_and_texts(library, questions);
        refused(library, questions);
        let first = library.init();
        questions.holds("cuInit returns 0 or 100", ["0", "100"].contains(&&*first.to_string()));
        questions.ask("cuInit again", first, library.init());
    });
    let first = library.init();
    questions.holds("cuInit returns 0 or 100", ["0", "100"].contains(&&*first.to_string()));
}

/// A child forked after a `cuInit` that found nothing. Only `cuInit` is called there: driver 580 was
/// seen to crash in other calls of such a child.
pub fn child_of_a_failed_init(machine: &Machine, questions: &Questions) {
    hide_devices();
    let library = machine.load();
    questions.ask("cuInit", 100, library.init());
    child(questions, |questions| {
        questions.ask("cuInit", 304, library.init());
    });
    questions.ask("cuInit again", 100, library.init());
}

/// A child of a process whose `cuInit` was refused for its flags works like a fresh one.
pub fn child_of_an_init_with_flags(machine: &Machine, questions: &Questions) {
    let library = machine.load();
    questions.ask("cuInit with flags", 1, call!(library, cuInit_v2000(1)));
    child(questions, |questions| {
        retain_and_release(library, questions);
    });
    questions.ask("cuInit", 0, library.init());
    questions.ask("the parent's state", "0/0", library.state(library.device(0)));
}

/// In such a child, a release without a reference ends the process.
pub fn release_too_many_in_such_a_child(machine: &Machine, questions: &Questions) {
    let library = machine.load();
    questions.ask("cuInit with flags", 1, call!(library, cuInit_v2000(1)));
    let of_child = questions.of("child");
    let status = in_child(Birth::Fork, || {
        let device = retain_and_release(library, &of_child);
        of_child.ask("one more", 201, library.release(device));
        0
    });
    questions.ask("the child ends", "signal: 11 (SIGSEGV)", in_words(status));
}

fn retain_and_release(library: Library, questions: &Questions) -> i32 {
    questions.ask("cuInit", 0, library.init());
    let device = library.device(0);
    questions.ask("state", "0/0", library.state(device));
    let (result, _) = library.retain(device);
    questions.ask("retain", "0 1/0", format!("{result} {}", library.state(device)));
    let result = library.release(device);
    questions.ask("release", "0 0/0", format!("{result} {}", library.state(device)));
    device
}

/// A child forked after `cuInit` gets 3 from every call; its parent works on.
pub fn child_after_init(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let device = library.device(0);
    let (_, context) = library.retain(device);
    library.set_current(context);
    child(questions, |questions| {
        versions_and_texts(library, questions);
        refused(library, questions);
        questions.ask("cuInit", 3, library.init());
        refused(library, &questions.of("afterwards"));
    });
    questions.ask("the parent's state", "1/0", library.state(device));
    questions.holds("the parent's context is current", library.current() == context);
    questions.ask("the parent's release", 0, library.release(device));
    questions.ask("state", "0/0", library.state(device));
}
