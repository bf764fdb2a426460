//! What is told at the end, for people.

mod device;
mod style;

use std::env;
use std::io::{self, Write};

use crate::meant::Meant;
use crate::model::{Device, End, Model, Process};
use crate::symbols::Symbols;
use crate::untraced::Untraced;

use device::Page;
pub use device::code;
pub use style::{Styled, seconds};

/// What the witness cannot tell.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Drivers that are not traced.
    pub untraced: Vec<Untraced>,
    /// Records that found no room.
    pub lost: u64,
    /// Processes that still run.
    pub living: Vec<(u32, String)>,
    /// The device that is meant.
    pub only: Option<Meant>,
    /// Whether strays change the exit status.
    pub forbid: bool,
    /// Whether they are refused.
    pub deny: bool,
}

impl Surroundings {
    /// Whether a device was named as meant, or none is meant.
    fn judged(&self) -> bool {
        self.only.is_some() || self.forbid || self.deny
    }

    /// Whether it is known that something is missing.
    fn incomplete(&self, model: &Model) -> bool {
        let bypassed = |process: &Process| !process.bypasses.is_empty();
        self.lost > 0 || !self.untraced.is_empty() || model.processes().iter().any(bypassed)
    }
}

/// Writes the report.
///
/// # Errors
///
/// When nobody reads it.
pub fn write(
    to: &mut dyn Write,
    model: &Model,
    symbols: &mut Symbols,
    about: &Surroundings,
) -> io::Result<()> {
    headline(to, model, about)?;
    let folder = env::current_dir().map(|folder| format!("{}/", folder.display()));
    let folder = folder.unwrap_or_default();
    let mut page = Page { to, modules: model.modules(), symbols, folder };
    for (process, device) in model.strays() {
        let stray = Styled::stray("STRAY");
        let who = title(process);
        writeln!(page.to, "\n{stray} {} in {who}", Styled::heading(device.name()))?;
        page.device(device)?;
    }
    for process in model.processes().iter().filter(|process| process.did_anything()) {
        write_process(&mut page, process, about)?;
    }
    let idle = model.processes().iter().filter(|process| !process.did_anything()).count();
    if idle > 0 {
        let (others, loaded) = plural(idle as u64, "more process", "more processes");
        writeln!(to, "\n{others} {loaded} loaded the driver and did not initialise it")?;
    }
    write_limits(to, model, about)
}

fn headline(to: &mut dyn Write, model: &Model, about: &Surroundings) -> io::Result<()> {
    let strays = model.strays().count();
    let made = |process: &&Process| process.devices().any(|device| device.creations.total() > 0);
    let users = model.processes().iter().filter(made).count();
    write!(to, "{}", style::PREFIX)?;
    if strays > 0 {
        let made = model.strays().any(|(_, device)| device.creations.total() > 0);
        let what = if made { "stray contexts" } else { "contexts refused" };
        let (strays, are) = plural(strays as u64, "device that is", "devices that are");
        let by = if about.forbid { ": exit status 3, by --forbid" } else { "" };
        writeln!(to, "{}", Styled::stray(format!("{what} on {strays} {are} not meant{by}")))
    } else if users == 0 && about.incomplete(model) {
        let text = "no CUDA context was seen to be made, and not everything was traced (below)";
        writeln!(to, "{}", Styled::warning(text))
    } else if users == 0 {
        writeln!(to, "no CUDA context was made")
    } else {
        let (users, processes) = plural(users as u64, "process", "processes");
        let unknown =
            |device: &Device| device.about.allowed.is_none() && device.creations.total() > 0;
        let mut devices = model.processes().iter().flat_map(Process::devices);
        let judgement = match about.judged() {
            false => "",
            true if devices.any(unknown) => {
                ", of which some could not be judged: it is not known which device is meant"
            }
            true if about.incomplete(model) => {
                let text = format!(
                    "CUDA contexts in {users} {processes}, none of them seen to be stray, and not \
                     everything was traced (below)"
                );
                return writeln!(to, "{}", Styled::warning(text));
            }
            true => ", none of them stray",
        };
        writeln!(to, "CUDA contexts in {users} {processes}{judgement}")
    }
}

fn plural<'word>(count: u64, one: &'word str, more: &'word str) -> (u64, &'word str) {
    (count, if count == 1 { one } else { more })
}

/// Its id, its command line, and its rank.
fn title(process: &Process) -> String {
    let rank = process.rank().map(|(name, value)| format!(", {name}={value}"));
    format!("process {}: {}{}", process.pid, process.command(), rank.unwrap_or_default())
}

fn write_process(page: &mut Page<'_>, process: &Process, about: &Surroundings) -> io::Result<()> {
    let forked = if process.about.forked_from.is_some() { ", forked" } else { "" };
    let title = title(process);
    let title = Styled::heading(format!("P{}", &title[1..]));
    let parent = Styled::faint(format!("(started by {}{forked})", process.about.parent));
    writeln!(page.to, "\n{title} {parent}")?;
    let unranked = about.only == Some(Meant::LocalRank) && process.about.local_rank.is_none();
    if unranked {
        let text =
            "no launcher's variable said its rank when it loaded the driver: no device is judged";
        writeln!(page.to, "  {}", Styled::warning(text))?;
    }
    page.init(&process.inits)?;
    for device in process.devices() {
        let name = device.name();
        if device.is_stray() {
            writeln!(page.to, "  {} {}", name, Styled::stray("is a stray, see above"))?;
            continue;
        }
        let meant = match device.about.allowed {
            Some(true) => ", which is meant",
            None if about.judged() => ", of which it is not known whether it is meant",
            _ => "",
        };
        writeln!(page.to, "  {}{meant}", Styled::heading(name))?;
        page.device(device)?;
    }
    page.elsewhere(&process.elsewhere)?;
    for path in &process.bypasses {
        let path = path.display();
        writeln!(page.to, "  {}", Styled::warning(format!("not traced: {path} is loaded, too")))?;
    }
    if process.uncounted {
        let text = "more was held than the witness has room to count: numbers are too low";
        writeln!(page.to, "  {}", Styled::warning(text))?;
    }
    let lives = about.living.iter().any(|(pid, _)| *pid == process.pid);
    match process.end {
        Some(End::Exit(time)) => writeln!(page.to, "  exit at {}", seconds(time)),
        Some(End::Replaced(time)) => {
            writeln!(page.to, "  replaced by another program (exec) at {}", seconds(time))
        }
        None if lives => writeln!(page.to, "  still runs"),
        None => writeln!(page.to, "  ended without its exit handlers (killed, or by _exit)"),
    }
}

/// What was not seen.
fn write_limits(to: &mut dyn Write, model: &Model, about: &Surroundings) -> io::Result<()> {
    for Untraced { pid, command, library, reason } in &about.untraced {
        // Where the witness itself has seen it, it is told there.
        let mut seen =
            model.processes().iter().filter(|process| process.about.host_pid == Some(*pid));
        if seen.any(|process| process.bypasses.contains(library)) {
            continue;
        }
        let text = format!("not traced: {} in process {pid}: {command}", library.display());
        writeln!(to, "\n{}\n  {}", Styled::warning(text), reason.text())?;
    }
    if about.lost > 0 {
        let (lost, events) =
            plural(about.lost, "event found no room and is", "events found no room and are");
        let text = format!("{lost} {events} missing above");
        writeln!(to, "\n{}", Styled::warning(text))?;
    }
    for (pid, command) in &about.living {
        let text = format!("process {pid} still runs, and is traced no longer: {command}");
        writeln!(to, "\n{}", Styled::warning(text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Model, Surroundings, Symbols, write};

    #[test]
    fn where_events_were_lost_nobody_knows_that_no_context_was_made() {
        let report = |lost: u64| {
            let about = Surroundings { lost, ..Surroundings::default() };
            let mut text = Vec::new();
            write(&mut text, &Model::default(), &mut Symbols::default(), &about).unwrap();
            String::from_utf8(text).unwrap()
        };
        assert!(report(0).contains("no CUDA context was made"));
        let text = report(1);
        assert!(text.contains("not everything was traced (below)"), "{text}");
        assert!(text.contains("1 event found no room and is missing above"), "{text}");
        let text = report(2);
        assert!(text.contains("2 events found no room and are missing above"), "{text}");
    }
}
