//! A stray: who created it, and what to do about it.

use crate::model::{Device, Note, Process};
use crate::record::Holding;

use super::Surroundings;
use super::fold::Block;
use super::line::Line;
use super::page::{Page, who};

const SELECT: &str = "select the device before this line runs (cudaSetDevice)";
const CURE: &str = "call cudaSetDevice in that thread, or start the program with cuda-contexts run";

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
    let next = |text: String| Line::default().heading("next: ").text(text);
    let held = device.has_held_context();
    if about.options.only.is_none() {
        let text = "run this line later, after the process has selected its device";
        return vec![next(text.to_owned())];
    }
    if was_created_again(device, first) {
        let text = "the same thread created the context again after it was destroyed: a release \
                    does not last";
        let cure = if first.tid == process.pid { SELECT } else { CURE };
        return vec![Line::default().warning(text), next(cure.to_owned())];
    }
    if first.tid == process.pid {
        let more = if held { ", or release the stray afterwards with retain_only" } else { "" };
        return vec![next(format!("{SELECT}{more}"))];
    }
    let lives = process.thread(first.tid).and_then(|thread| thread.lives);
    if lives == Some(true) {
        let text =
            "the thread still lives: if it uses the device again, a released context comes back";
        let next = next(format!("{CURE}; a release will not last"));
        return vec![Line::default().warning(text), next];
    }
    let more = if held { "; retain_only releases what is left" } else { "" };
    let ended = lives.map(|_| Line::default().text("the thread has ended"));
    ended.into_iter().chain([next(format!("{CURE}{more}"))]).collect()
}

/// Whether the thread of the first call created the primary context again after it was destroyed.
fn was_created_again(device: &Device, first: &Note) -> bool {
    let primary = |note: &&Note| note.call.holding() == Holding::Reference;
    let ended = device.endings.first.iter().filter(primary).map(|note| note.time).min();
    let mut again = device.creations.first.iter().filter(primary);
    again.any(|note| note.tid == first.tid && ended.is_some_and(|ended| ended < note.time))
}
