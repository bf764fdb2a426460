//! Reports and plans as tables.

use std::fmt::{self, Display, Formatter};

use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::driver::holders::Holder;
use crate::error::Error;
use crate::retain_only::outcome::{CurrentContextChange, Outcome, failed};
use crate::retain_only::plan::{Plan, Planned};
use crate::retain_only::report::{DeviceReport, Report};
use crate::sys::debug::debug_as_displayed;

/// The rows, beginning with the headings: a device, its unique id, its outcome in words, and a driver call made for
/// it. Further calls have rows of their own. What is too long for a row stands below.
struct Table {
    rows: Vec<[String; 4]>,
    below: Vec<String>,
}

impl Table {
    fn new(outcome: &str, calls: &str) -> Self {
        let headings = ["device", "UUID", outcome, calls];
        Self { rows: vec![headings.map(str::to_owned)], below: Vec::new() }
    }

    /// Adds a device; a failure's error goes below.
    fn add(&mut self, device: Device, outcome: String, calls: Vec<String>, error: Option<&Error>) {
        let ordinal = device.to_string();
        let uuid = device.known_uuid().map_or("unknown".to_owned(), |uuid| uuid.to_string());
        let mut calls = calls.into_iter();
        self.rows.push([ordinal, uuid, outcome, calls.next().unwrap_or_default()]);
        self.rows.extend(calls.map(|call| ["", "", "", &call].map(str::to_owned)));
        if let Some(error) = error {
            self.below.push(format!("device {device} failed: {error}"));
        }
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|[_, _, outcome, _]| outcome.len()).max().unwrap_or(0);
        let rows = self.rows.iter().map(|[device, uuid, outcome, call]| {
            let row = format!("{device:>6}  {uuid:<40}  {outcome:<width$}  {call}");
            row.trim_end().to_owned()
        });
        let lines: Vec<String> = rows.chain(self.below.iter().cloned()).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

/// The [summary](Report::summary), and a table: a row for every device with its outcome. Below it: what
/// became of the calling thread's current context, if that changed, every error, and who held what, if that
/// is known. The alternate form, `{:#}`, has every driver call as well.
impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let with_calls = formatter.alternate();
        let mut table = Table::new("outcome", if with_calls { "driver calls" } else { "" });
        for line in self.devices() {
            let (outcome, error) = match line.outcome() {
                Outcome::Failed { error, releases, active } => {
                    (failed(*releases, *active), Some(error))
                }
                outcome => (outcome.to_string(), None),
            };
            let calls = line.calls().filter(|_| with_calls).map(|call| call.to_string()).collect();
            table.add(line.device(), outcome, calls, error);
        }
        for line in self.devices() {
            if line.taken_before() > 0 {
                table.below.push(taken_before(&line));
            }
            let holders = line.holders().filter(|_| *line.outcome() != Outcome::Kept);
            if let Some(holders) = holders.filter(|holders| !holders.is_empty()) {
                table.below.push(held(&line, holders));
            }
        }
        if *self.current_context() != CurrentContextChange::Unchanged {
            table.below.insert(0, self.current_context().to_string());
        }
        write!(formatter, "{}\n{table}", self.summary())
    }
}

/// The devices of a report by what became of them, but for those that were inactive.
pub(super) fn summary(report: &Report) -> String {
    let kinds = [
        ("kept", "kept"),
        ("released", "released"),
        ("still_active", "still active"),
        ("held_by_green_context", "held by a green context"),
        ("held_here", "held here"),
        ("left_alone", "left alone"),
        ("failed", "failed"),
    ];
    let of_kind = |(kind, words): (&str, &str)| {
        let such = report.devices().filter(|line| line.outcome().kind() == kind);
        let ordinals: Vec<_> = such.map(|line| line.ordinal().to_string()).collect();
        (!ordinals.is_empty()).then(|| format!("{words} {}", ordinals.join(", ")))
    };
    let parts: Vec<_> = kinds.into_iter().filter_map(of_kind).collect();
    match parts.is_empty() {
        true => "no context is active".to_owned(),
        false => parts.join("; "),
    }
}

fn taken_before(line: &DeviceReport<'_>) -> String {
    let (ordinal, taken) = (line.ordinal(), line.taken_before());
    let references = if taken == 1 { "reference" } else { "references" };
    format!("device {ordinal}: earlier runs of this process released {taken} {references} here")
}

fn held(line: &DeviceReport<'_>, holders: &[Holder]) -> String {
    let list = |texts: Vec<String>| texts.join(", ");
    let taken = holders.iter().filter(|holder| holder.taken > 0);
    let taken =
        list(taken.map(|holder| format!("{} {}", holder.name().display(), holder.taken)).collect());
    let holders = list(holders.iter().map(ToString::to_string).collect());
    let released = if taken.is_empty() { "none" } else { &taken };
    format!("device {} was held by: {holders}; released: {released}", line.ordinal())
}

/// A table: a row for every device with what would be done to it, and below it every error.
impl Display for Plan {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut table = Table::new("planned (dry run)", "");
        for (device, planned) in self.devices() {
            let (outcome, error) = match planned {
                Planned::Failed(error) => ("failed".to_owned(), Some(error)),
                planned => (planned.to_string(), None),
            };
            table.add(device, outcome, Vec::new(), error);
        }
        Display::fmt(&table, formatter)
    }
}

/// One line, such as `device 2: released (cuDevicePrimaryCtxGetState: CUDA_SUCCESS (0), …)`.
impl Display for DeviceReport<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "device {}: {}", self.device(), self.outcome())?;
        if self.taken_before() > 0 {
            write!(formatter, "; earlier runs released {}", self.taken_before())?;
        }
        for (index, call) in self.calls().enumerate() {
            write!(formatter, "{}{call}", if index == 0 { " (" } else { ", " })?;
        }
        formatter.write_str(if self.calls().len() > 0 { ")" } else { "" })
    }
}

/// `cuDevicePrimaryCtxRelease_v2: CUDA_SUCCESS (0)`.
impl Display for Call {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.function, self.code)
    }
}

debug_as_displayed!(Report, Plan, DeviceReport<'_>);
