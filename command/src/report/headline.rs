//! The first lines of the report: the result.

use std::collections::BTreeSet;

use crate::model::{Device, Model, Process};
use crate::only::Only;
use crate::verdict::{Devices, Judge, Verdict, devices};

use super::line::{Line, counted, list};
use super::{Surroundings, signal_name};

const NAMED_DEVICES: usize = 4;

/// The result in one line, and how the program and the gates ended.
pub fn lines(model: &Model, about: &Surroundings) -> Vec<Line> {
    let judge = Judge::new(model, about);
    let mut lines = vec![result(model, about, &judge)];
    if let Some(signal) = about.signal() {
        let text = format!("The program was killed by {}.", signal_name(signal));
        lines.push(Line::prefixed().warning(text));
    }
    let reasons = match &about.verdict {
        Verdict::Passed => judge.missing_devices(),
        Verdict::Stray => {
            lines.push(Line::prefixed().stray(format!("Exit status 3 by {}.", gate(about))));
            judge.missing_devices()
        }
        Verdict::NotJudged(all) => {
            let gate = gate(about);
            let text = format!(
                "Exit status 125, because {gate} could not judge everything (--allow-untraced accepts that):"
            );
            lines.push(Line::prefixed().stray(text));
            all.clone()
        }
    };
    lines.extend(reasons.into_iter().map(|reason| Line::default().indented(2).warning(reason)));
    lines
}

fn gate(about: &Surroundings) -> &'static str {
    if about.options.forbid.is_some() { "--forbid" } else { "--deny" }
}

fn result(model: &Model, about: &Surroundings, judge: &Judge<'_>) -> Line {
    let strays = judge.strays();
    let line = Line::prefixed();
    if !strays.is_empty() {
        return line.stray(stray(&strays, model, judge, about));
    }
    let denied: u64 = devices(model).map(|(_, device)| device.denied).sum();
    if denied > 0 {
        let outside = match &about.options.only {
            Some(only) => format!(" outside the allowed devices (--only {only})"),
            None => String::new(),
        };
        let refused = counted(denied, "context", "contexts");
        return line.stray(format!("Refused {refused}{outside}."));
    }
    let users: Vec<_> = devices(model).filter(|(_, device)| device.creations.total > 0).collect();
    let doubt = doubt(model, about, judge);
    if users.is_empty() {
        return match doubt {
            Some(doubt) => {
                line.warning(format!("No CUDA context was seen, but {doubt} (see below)."))
            }
            None if about.driver_was_opened == Some(false) => {
                line.text("No CUDA context was created, because no process loaded the CUDA driver.")
            }
            None => line.text("No CUDA context was created."),
        };
    }
    let used: Vec<&Device> = users.iter().map(|(_, device)| *device).collect();
    let numbers: BTreeSet<u32> = users.iter().map(|(process, _)| process.number).collect();
    let processes = counted(numbers.len() as u64, "process", "processes");
    let contexts = format!("CUDA contexts in {processes} on {}", names(&used));
    if !judge.judges() {
        line.text(format!("{contexts}."))
    } else if !judge.unknown().is_empty() {
        line.warning(format!("{contexts}: not all of them can be judged (see below)."))
    } else if let Some(doubt) = doubt {
        line.warning(format!("{contexts}: no strays seen, but {doubt} (see below)."))
    } else {
        line.text(format!("No strays. {contexts}."))
    }
}

/// Why there may be more contexts or strays than were seen.
fn doubt(model: &Model, about: &Surroundings, judge: &Judge<'_>) -> Option<String> {
    let unfinished = judge.unfinished().into_iter();
    let unfinished: u64 = unfinished.map(|(_, device)| device.unfinished_creations).sum();
    let elsewhere: u64 = model.processes.iter().map(|process| process.creations_elsewhere).sum();
    match unfinished + elsewhere {
        0 => about.incomplete(model).then(|| "not everything was traced".to_owned()),
        count => Some(format!("{} may have created one", counted(count, "call", "calls"))),
    }
}

/// How many processes hold how many strays, and where.
fn stray(strays: &Devices<'_>, model: &Model, judge: &Judge<'_>, about: &Surroundings) -> String {
    let all = model.processes.iter().filter(|process| process.did_anything()).count();
    let is_held = |(process, device): &(&Process, &Device)| judge.is_held_stray(process, device);
    let (held, released): (Devices<'_>, Devices<'_>) = strays.iter().copied().partition(is_held);
    let text = |strays: &Devices<'_>, one: &str, more: &str| {
        let numbers: BTreeSet<u32> = strays.iter().map(|(process, _)| process.number).collect();
        let devices: Vec<&Device> = strays.iter().map(|(_, device)| *device).collect();
        let processes = counted(all as u64, "process", "processes");
        let holders = match numbers.len() {
            count if count == all => processes,
            count => format!("{count} of {processes}"),
        };
        let verb = if numbers.len() == 1 { one } else { more };
        let (what, on) = match about.options.only {
            Some(Only::One) => ("contexts on more than one device".to_owned(), ":"),
            _ => (counted(strays.len() as u64, "stray", "strays"), " on"),
        };
        format!("{holders} {verb} {what}{on} {}", names(&devices))
    };
    match (held.len(), released.len()) {
        (_, 0) => format!("{}.", text(&held, "holds", "hold")),
        (0, count) => {
            let it = if count == 1 { "it" } else { "them" };
            format!("{}, and released {it}.", text(&released, "created", "created"))
        }
        (_, count) => {
            let more = counted(count as u64, "more stray was", "more strays were");
            format!("{}. {more} released.", text(&held, "holds", "hold"))
        }
    }
}

fn names(devices: &[&Device]) -> String {
    let mut names: Vec<String> = devices.iter().map(|device| device.name()).collect();
    names.sort();
    names.dedup();
    list(&names, NAMED_DEVICES)
}
