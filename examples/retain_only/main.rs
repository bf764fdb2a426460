//! Keeps one device's primary context and releases the strays on all others, on any machine:
//! where there is no GPU, a simulated driver takes the place of the real one.
//!
//! `cargo run --example retain_only -- --help` lists the options.

mod chosen_driver;
mod heading;
mod json;
mod options;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use cuda_primary_context::{Error, Planned, PrimaryContextGuard, StrayRelease};

use chosen_driver::ChosenDriver;
use heading::heading;
use options::{Options, Request};

const ALL_WELL: u8 = 0;
const SOME_DEVICE_FAILED: u8 = 1;
const WRONG_ARGUMENTS: u8 = 2;
const NO_DRIVER_OR_DEVICE: u8 = 3;

/// Keeps the device and releases the rest: what is to be printed, and the exit status.
fn retain_only(options: &Options) -> Result<(String, u8), Error> {
    let chosen = ChosenDriver::choose(options)?;
    let driver = chosen.driver();
    let second_or_only = u32::from(driver.device_count() > 1);
    let device = driver.device(options.device.unwrap_or(second_or_only))?;
    let keep = options.keep.iter().map(|&ordinal| driver.device(ordinal));
    let keep = keep.collect::<Result<Vec<_>, _>>()?;
    let strays = chosen.leave_strays(options.stray.as_deref())?;

    let mut policy = StrayRelease::new().keep(keep);
    if options.releases != 1 {
        // SAFETY: whoever runs this program asked for it. It uses no context itself but the kept one.
        policy = unsafe { policy.releases_up_to(options.releases) };
    }
    if options.dry_run {
        let plan = policy.plan(device)?;
        let failed = plan.devices().any(|(_, planned)| matches!(planned, Planned::Failed(_)));
        let text = match options.json {
            true => json::answer(&plan, chosen.is_simulated()),
            false => heading(&chosen, &strays, "keep", device) + &format!("{plan}\n"),
        };
        return Ok((text, status(failed)));
    }

    // Until the guard is dropped, this process holds the kept device's context.
    let guard = PrimaryContextGuard::retain_only_with(device, &policy)?;
    let report = guard.report();
    let text = match options.json {
        true => json::answer(report, chosen.is_simulated()),
        false if options.calls => {
            heading(&chosen, &strays, "kept", device) + &format!("{report:#}\n")
        }
        false => heading(&chosen, &strays, "kept", device) + &format!("{report}\n"),
    };
    Ok((text, status(report.check().is_err())))
}

fn status(failed: bool) -> u8 {
    if failed { SOME_DEVICE_FAILED } else { ALL_WELL }
}

fn main() -> ExitCode {
    // Also where the arguments are wrong, and nobody knows what else they say.
    let json = env::args_os().any(|argument| argument == "--json");
    let (text, status) = match options::from_command_line() {
        Ok(Request::Help) => (options::HELP.to_owned(), ALL_WELL),
        Ok(Request::Run(options)) => retain_only(&options).unwrap_or_else(|error| {
            say(&error.to_string());
            (if json { json::error(&error) } else { String::new() }, NO_DRIVER_OR_DEVICE)
        }),
        Err(message) => {
            say(&format!("{message} (--help lists the options)"));
            (if json { json::wrong_arguments(&message) } else { String::new() }, WRONG_ARGUMENTS)
        }
    };
    match io::stdout().write_all(text.as_bytes()) {
        // A reader that has seen enough, such as `head`, is none of our business.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(&format!("cannot write to standard output: {error}"));
            ExitCode::from(SOME_DEVICE_FAILED)
        }
        _ => ExitCode::from(status),
    }
}

/// Tells the user something apart from the output. Where nobody listens, that is all right.
fn say(message: &str) {
    let _ = writeln!(io::stderr(), "retain_only: {message}");
}
