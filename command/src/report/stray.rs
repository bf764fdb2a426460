//! A stray: who created it, and what to do about it.

use crate::model::{Device, Process};
use crate::verdict::is_held;

use super::Surroundings;
use super::fold::{Block, Group};
use super::line::{Line, list};
use super::page::{Page, command, who};

/// So many processes of a group are named.
const NAMED: usize = 16;

impl Page<'_> {
    /// A stray as a block.
    pub fn stray(&mut self, process: &Process, device: &Device, about: &Surroundings) -> Block {
        let mut body = self.device(process, device);
        body.extend(next(process, device, about));
        let body = body.into_iter().map(|line| line.outdented(2)).collect();
        Block { who: who(process), place: device.name(), title: command(process), body }
    }
}

/// The lines of a group of strays.
pub fn lines(group: &Group) -> Vec<Line> {
    let (who, members) = processes(&group.who);
    let heading = Line::default().stray("STRAY").text(" on ").heading(&*group.place);
    let heading = heading.text(format!(" in {who}: {}", group.title));
    let mut lines = vec![Line::default(), heading];
    lines.extend(members);
    lines.extend(group.body.iter().cloned());
    lines
}

/// `process 4711`, or `7 processes` and a line that lists them.
pub fn processes(who: &[String]) -> (String, Option<Line>) {
    match who {
        [one] => (format!("process {one}"), None),
        _ => {
            let text = format!("processes {}", list(who, NAMED));
            let faint = " (times, threads and devices below are those of the first one)";
            (format!("{} processes", who.len()), Some(Line::indented(2).text(text).faint(faint)))
        }
    }
}

/// What is known of the thread, and what to do.
fn next(process: &Process, device: &Device, about: &Surroundings) -> Vec<Line> {
    let Some(first) = device.creations.first().first() else { return Vec::new() };
    let line = |text: &str| Line::indented(4).heading("next: ").text(text);
    if about.only.is_none() {
        return vec![line("run this line later, after the process has selected its device")];
    }
    if first.tid == process.pid {
        let text = if is_held(device) {
            "select the device before this line runs (cudaSetDevice), or release the stray \
             afterwards with retain_only"
        } else {
            "select the device before this line runs (cudaSetDevice)"
        };
        return vec![line(text)];
    }
    let cure = "call cudaSetDevice in that thread, or start the program with cuda-contexts run";
    let state = match process.thread(first.tid).and_then(|thread| thread.lives) {
        Some(true) => {
            let text = "the thread still lives: if it uses the device again, a released context comes back";
            Some(Line::indented(4).warning(text))
        }
        Some(false) => Some(Line::indented(4).text("the thread has ended")),
        None => None,
    };
    let lives = process.thread(first.tid).is_some_and(|thread| thread.lives == Some(true));
    let text = match (lives, is_held(device)) {
        (true, _) => format!("{cure}; a release will not last"),
        (false, true) => format!("{cure}; retain_only releases what is left"),
        (false, false) => cure.to_owned(),
    };
    state.into_iter().chain([line(&text)]).collect()
}
