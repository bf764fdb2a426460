//! A stray: who created it, and what to do about it.

use crate::model::{Device, Process};

use super::Surroundings;
use super::fold::Block;
use super::line::Line;
use super::page::{Page, who};

const CURE: &str = "call cudaSetDevice in that thread, or start the program with cuda-contexts run";

impl Page<'_> {
    pub fn stray(&mut self, process: &Process, device: &Device, about: &Surroundings) -> Block {
        let mut body = self.device(process, device);
        body.extend(next(process, device, about));
        let body = body.into_iter().map(|line| line.outdented(2)).collect();
        let heading =
            Line::default().stray("STRAY").text(" on ").heading(device.name()).text(" in ");
        Block { who: vec![who(process)], heading: (heading, process.command()), body }
    }
}

/// What is known of the thread, and what to do.
fn next(process: &Process, device: &Device, about: &Surroundings) -> Vec<Line> {
    let Some(first) = device.creations.first.first() else { return Vec::new() };
    let line = || Line::indented(4);
    let next = |text: String| line().heading("next: ").text(text);
    let held = device.has_held_context();
    if about.options.only.is_none() {
        let text = "run this line later, after the process has selected its device";
        return vec![next(text.to_owned())];
    }
    if first.tid == process.pid {
        let more = if held { ", or release the stray afterwards with retain_only" } else { "" };
        let text = format!("select the device before this line runs (cudaSetDevice){more}");
        return vec![next(text)];
    }
    let lives = process.thread(first.tid).and_then(|thread| thread.lives);
    if lives == Some(true) {
        let text =
            "the thread still lives: if it uses the device again, a released context comes back";
        let next = next(format!("{CURE}; a release will not last"));
        return vec![line().warning(text), next];
    }
    let more = if held { "; retain_only releases what is left" } else { "" };
    let ended = lives.map(|_| line().text("the thread has ended"));
    ended.into_iter().chain([next(format!("{CURE}{more}"))]).collect()
}
