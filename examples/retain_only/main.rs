//! Keeps one device's primary context and releases the strays on all others, on any machine: without a
//! GPU, on a simulated driver.
//!
//! `cargo run -p examples --example retain_only -- --help` lists the options.

mod chosen_driver;
mod heading;
mod options;
#[path = "../output.rs"]
mod output;

use std::env;
use std::process::ExitCode;

use cuda_primary_context::{Error, Planned, PrimaryContextGuard, StrayRelease};
use serde::Serialize;
use serde_json::json;

use chosen_driver::ChosenDriver;
use heading::{heading, still_active};
use options::Options;
use output::{print, print_instead, say};

const NO_CALL_FAILED: u8 = 0;
const SOME_DEVICE_FAILED: u8 = 1;
const NO_DRIVER_OR_DEVICE: u8 = 3;

/// Keeps the device and releases the rest. Returns the output and the exit status.
fn retain_only(options: &Options) -> Result<(String, u8), Error> {
    let chosen = ChosenDriver::choose(options)?;
    let driver = chosen.driver();
    let second_or_only = u32::from(driver.device_count() > 1);
    let device = driver.device(options.device.unwrap_or(second_or_only))?;
    let keep = options.keep.0.iter().map(|&ordinal| driver.device(ordinal));
    let keep = keep.collect::<Result<Vec<_>, _>>()?;
    let strays = chosen.leave_strays(options.stray.as_ref().map(|list| &*list.0))?;

    let mut policy = StrayRelease::new().keep(keep);
    if options.releases != 1 {
        // SAFETY: the user asked for it with --releases. This program uses the kept context alone.
        policy = unsafe { policy.releases_up_to(options.releases) };
    }
    if options.dry_run {
        let plan = policy.plan_retain_only(device)?;
        let failed = plan.devices().any(|(_, planned)| matches!(planned, Planned::Failed(_)));
        let text = match options.json {
            true => json(&plan, chosen.is_simulated()),
            false => heading(&chosen, &strays, "keep", device) + &format!("{plan}\n"),
        };
        return Ok((text, status(failed)));
    }

    // Until the guard is dropped, this process holds the kept device's context.
    let guard = PrimaryContextGuard::retain_only_with(device, &policy)?;
    let report = guard.report();
    let text = match options.json {
        true => json(report, chosen.is_simulated()),
        false => {
            let table = if options.calls { format!("{report:#}\n") } else { format!("{report}\n") };
            heading(&chosen, &strays, "kept", device) + &table
        }
    };
    if let Some(warning) = still_active(report) {
        say(&warning);
    }
    Ok((text, status(report.check().is_err())))
}

/// A report or a plan as one JSON object, and whether the driver is a simulator.
fn json(result: &impl Serialize, simulated: bool) -> String {
    let mut object = json!(result);
    object["driver"]["simulated"] = simulated.into();
    format!("{object}\n")
}

fn status(failed: bool) -> u8 {
    if failed { SOME_DEVICE_FAILED } else { NO_CALL_FAILED }
}

fn main() -> ExitCode {
    // Read even if the other arguments are wrong.
    let json = env::args_os().any(|argument| argument == "--json");
    let options = match options::from_command_line() {
        Ok(options) => options,
        Err(error) => return print_instead(&error, json),
    };
    let (text, status) = retain_only(&options).unwrap_or_else(|error| {
        say(&error.to_string());
        let object = || format!("{}\n", json!({ "error": error }));
        (if json { object() } else { String::new() }, NO_DRIVER_OR_DEVICE)
    });
    print(&text, status)
}
