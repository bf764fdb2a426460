//! The output for people: a table.

use cuda_primary_context::{Device, Error, Outcome, Plan, Planned, Report};

/// One device: its outcome in words, and the driver calls made for it.
struct Row {
    device: Device,
    outcome: String,
    calls: Vec<String>,
}

pub fn report(strays: &[u32], report: &Report) -> String {
    let mut failures = Vec::new();
    let rows: Vec<Row> = report
        .devices()
        .map(|line| Row {
            device: line.device(),
            outcome: match line.outcome() {
                Outcome::Failed(error) => failed(&mut failures, line.device(), error),
                outcome => outcome.to_string(),
            },
            calls: line.calls().map(|call| format!("{}: {}", call.function, call.code)).collect(),
        })
        .collect();
    let mut text =
        heading(strays, "kept", report.kept()) + &table(["outcome", "driver calls"], &rows);
    if report.current_context_switched() {
        text += "this thread's current context was switched to the kept device\n";
    }
    text + &footnotes(&failures)
}

pub fn plan(strays: &[u32], plan: &Plan) -> String {
    let mut failures = Vec::new();
    let rows: Vec<Row> = plan
        .devices()
        .map(|(device, planned)| Row {
            device,
            outcome: match planned {
                Planned::Failed(error) => failed(&mut failures, device, error),
                planned => planned.to_string(),
            },
            calls: Vec::new(),
        })
        .collect();
    heading(strays, "keep", plan.kept())
        + &table(["planned (dry run)", ""], &rows)
        + &footnotes(&failures)
}

/// An error is too long for the table; it goes below.
fn failed(failures: &mut Vec<(Device, Error)>, device: Device, error: Error) -> String {
    failures.push((device, error));
    "failed".to_owned()
}

fn heading(strays: &[u32], verb: &str, device: Device) -> String {
    let driver = device.driver();
    let (major, minor) = (driver.version() / 1000, driver.version() % 1000 / 10);
    let name = device.name().unwrap_or_else(|_| "of unknown name".to_owned());
    let address = device.pci_bus_id().unwrap_or_else(|_| "unknown".to_owned());
    let mut text = format!(
        "driver {} (CUDA {major}.{minor}{})\n{verb}   device {}, {name}, PCI {address}\n",
        driver.path().display(),
        if driver.is_simulated() { ", simulated" } else { "" },
        device.ordinal(),
    );
    if !strays.is_empty() {
        let strays: Vec<String> = strays.iter().map(u32::to_string).collect();
        text += &format!("stray  contexts left first, on {} (see --stray)\n", strays.join(", "));
    }
    text + "\n"
}

/// Each call is on a line of its own, the first one beside its device.
fn table([outcome, calls]: [&str; 2], rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.outcome.len()).max().unwrap_or(0).max(outcome.len());
    let line = |device: &str, uuid: &str, outcome: &str, call: &str| {
        let line = format!("{device:>6}  {uuid:<40}  {outcome:<width$}  {call}");
        format!("{}\n", line.trim_end())
    };
    let mut text = line("device", "UUID", outcome, calls);
    for row in rows {
        let uuid = row.device.uuid().map_or_else(|_| "unknown".to_owned(), |uuid| uuid.to_string());
        let mut calls = row.calls.iter();
        let first = calls.next().map_or("", String::as_str);
        text += &line(&row.device.ordinal().to_string(), &uuid, &row.outcome, first);
        text.extend(calls.map(|call| line("", "", "", call)));
    }
    text
}

fn footnotes(failures: &[(Device, Error)]) -> String {
    let lines = failures
        .iter()
        .map(|(device, error)| format!("device {} failed: {error}\n", device.ordinal()));
    lines.collect()
}
