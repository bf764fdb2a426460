//! A stray: who created it, and what to do about it.

use crate::model::{Device, Note, Process};
use crate::only::Only;
use crate::record::Holding;

use super::Surroundings;
use super::fold::Block;
use super::line::Line;
use super::page::{Page, who};

const SELECT: &str = "select the device before this line runs (cudaSetDevice)";
const SELECT_IN_THREAD: &str = "call cudaSetDevice in that thread";
const CHANGE: &str = "change this line: it selects the device itself";

impl Page<'_> {
    pub fn stray(&mut self, process: &Process, device: &Device, about: &Surroundings) -> Block {
        self.device(process, device);
        next(process, device, about).into_iter().for_each(|line| self.add(line));
        let heading =
            Line::default().stray("STRAY").text(" on ").heading(device.name()).text(" in ");
        Block {
            who: vec![who(process)],
            heading: (heading, process.command()),
            body: self.take_lines(),
        }
    }
}

/// What is known of the thread, and what to do.
fn next(process: &Process, device: &Device, about: &Surroundings) -> Vec<Line> {
    let Some(first) = device.creations.first.first() else { return Vec::new() };
    let next = |text: &str| Line::default().heading("next: ").text(text);
    let warning = |text: &str| Some(Line::default().warning(text));
    // Only the user knows which of several devices is the right one.
    let condition = match about.options.only {
        None => {
            return vec![next("run this line later, after the process has selected its device")];
        }
        Some(Only::One) => "if the process should use another device, ",
        Some(_) => "",
    };
    let lives = process.thread(first.tid).and_then(|thread| thread.lives);
    let is_held = device.has_held_primary_context();
    let may_return = is_held && lives != Some(false);
    let (known, release) = if may_return && was_created_again(device, first) {
        let text = "the same thread created the context again after it was destroyed: a release \
                    does not last";
        (warning(text), "")
    } else if first.tid == process.pid {
        (None, ", or release the stray afterwards with retain_only")
    } else if lives == Some(true) {
        let text =
            "the thread still lives: if it uses the device again, a released context comes back";
        (warning(text), "; a release will not last")
    } else if lives == Some(false) {
        let text = "the thread has ended";
        (Some(Line::default().text(text)), "; retain_only releases what is left")
    } else {
        (
            None,
            "; retain_only releases what is left, but if that thread still runs, the context comes back",
        )
    };
    let release = if is_held { release } else { "" };
    let cure = cure(process, device, first, about);
    known.into_iter().chain([next(&format!("{condition}{cure}{release}"))]).collect()
}

/// How to keep the thread of this call from creating the context.
fn cure(process: &Process, device: &Device, first: &Note, about: &Surroundings) -> String {
    let began_on = process.began_on.get(&first.tid);
    if began_on.is_some_and(|handle| *handle != device.about.handle) {
        return format!("{CHANGE} (the thread began on its creator's device)");
    }
    if first.call.holding() != Holding::Reference {
        return CHANGE.to_owned();
    }
    if first.tid == process.pid {
        return SELECT.to_owned();
    }
    // Whether it could have begun on another device. The clock may show the same time for both.
    let is_earlier = |note: &Note| note.time <= first.time;
    let mut others = process.devices().filter(|each| each.about.handle != device.about.handle);
    let other = others.any(|each| each.creations.first.first().is_some_and(is_earlier));
    if about.options.keep_threads || !process.began_on.is_empty() {
        format!("{SELECT_IN_THREAD}, or create it after its creator has selected its device")
    } else if other {
        format!("{SELECT_IN_THREAD}, or start the program with cuda-contexts run")
    } else {
        SELECT_IN_THREAD.to_owned()
    }
}

/// Whether the thread of the first call created the primary context again, after another library
/// destroyed it.
fn was_created_again(device: &Device, first: &Note) -> bool {
    let is_its_own =
        |note: &&Note| note.tid == first.tid && note.call.holding() == Holding::Reference;
    let mut endings = device.endings.first.iter();
    endings.any(|note| note.call.caller() != first.call.caller())
        && device.creations.first.iter().filter(is_its_own).count() > 1
}
